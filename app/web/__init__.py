"""Pages for people: views, templates, charts and the assets they are dressed in."""
