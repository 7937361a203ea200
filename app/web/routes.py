"""Every page, on one page; what each is given stands in the table of :mod:`app.web.views`."""

from litestar.handlers import HTTPRouteHandler

from app.web import (
    citizen,
    import_pages,
    login,
    mandate_pages,
    review,
    seeing_pages,
    sharing_pages,
    staff,
)

PAGES: list[HTTPRouteHandler] = [
    # anyone, on a demo installation
    login.show_personas,
    login.log_in,
    # anyone logged in
    login.log_out,
    login.show_choices,
    login.choose,
    # citizens, and those who act for them
    citizen.show_overview,
    citizen.show_measurements,
    citizen.show_add,
    citizen.add,
    citizen.show_accesses,
    import_pages.show_imports,
    import_pages.take,
    import_pages.show_import,
    import_pages.show_progress,
    import_pages.undo,
    sharing_pages.show_sharing,
    sharing_pages.show_new,
    sharing_pages.preview,
    sharing_pages.save,
    sharing_pages.show_revoke,
    sharing_pages.revoke,
    sharing_pages.show_request,
    sharing_pages.answer,
    seeing_pages.show_seers,
    seeing_pages.show_as,
    seeing_pages.show_contacts,
    seeing_pages.list_contact,
    seeing_pages.strike_contact,
    seeing_pages.pause,
    seeing_pages.lift,
    mandate_pages.show_mandates,
    mandate_pages.show_new,
    mandate_pages.preview,
    mandate_pages.save,
    mandate_pages.end,
    mandate_pages.show_document,
    mandate_pages.show_inherited,
    mandate_pages.answer_inherited,
    # staff
    staff.show_find,
    staff.find,
    staff.show_patient,
    staff.show_add,
    staff.add,
    staff.show_ask,
    staff.ask,
    # supervisors
    review.show_review,
]
