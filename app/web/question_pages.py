"""Fråga om detta: the citizen asks why somebody looked, and reads the answers."""

from litestar.params import FromPath

from app.security import valv_of
from app.web import labels
from app.web.case_pages import said_by
from app.web.case_views import QuestionRow, QuestionsView
from app.web.shell import Answer, Asked, form, owner, page, redirect, shown, taken
from app.web.views import Notice
from app.whose import parse_id
from sharing import questions

_HERE = "/questions"


@shown(_HERE)
async def show_questions(request: Asked) -> Answer:
    """Show what was asked and answered."""
    own, house = owner(request), valv_of(request).house
    now = house.clock()
    rows = tuple(
        QuestionRow(
            labels.entry(one.access, reader=own.self_id),
            one.at,
            one.due,
            one.is_overdue(now),
            *said_by(one.answer),
            None if one.answer is None else one.answer.at,
        )
        for one in await questions.mine(house, own.principal, own.alias)
    )
    return page(request, "questions.html", QuestionsView(rows))


@taken("/accesses/{entry:str}/question")
async def ask(request: Asked, entry: FromPath[str]) -> Answer:
    """Ask why."""
    own, house = owner(request), valv_of(request).house
    await form(request)
    await questions.ask(house, own.principal, own.alias, parse_id(entry))
    return redirect(_HERE, Notice.QUESTION_SENT)
