"""A municipality joins while servers run: its branch is loaded by a process of its own, and every server has it."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from app import demo
from tests.flows.conftest import Server
from tests.flows.test_main_job_api import Caller, allow

NEW = "SE2120009923-TEST"
UNIT = "SE2120009923-TESTVE1"


def branch() -> dict[str, Any]:
    """Return the branch of a municipality that the demo does not have."""
    (made,) = (one for one in demo.made_up() if one["authority"]["id"] == demo.PROVKOPING)
    provider = {**made["providers"][0], "id": "SE2120009923-TESTOG1"}
    provider["units"] = [{"id": UNIT, "name": "Nyköpinge hemtjänst"}]
    authority = {"kind": "municipality", "id": NEW, "name": "Nyköpinge kommun (påhittad)"}
    return {**made, "authority": authority, "providers": [provider]}


@pytest.mark.slow
def test_new_unit_is_known_to_a_running_server_at_its_next_request(either: Server, tmp_path: Path) -> None:
    """Citizens can share with it at once; nobody has to restart anything."""
    (tmp_path / "branch.json").write_text(json.dumps(branch()), encoding="utf-8")
    own, sent = str(tmp_path / "own.pem"), str(tmp_path / "branch.signed")
    with httpx.Client(base_url=either.url, timeout=60) as http:
        anna, wanted = Caller(http, "anna"), allow(UNIT, ["read"], ["blood-pressure"])

        def named() -> list[str]:
            answer = anna.http.post("/api/consents/preview", json=wanted)
            assert answer.status_code == 200, answer.text
            return [one["name"] for one in answer.json()["changes"]]

        assert "Nyköpinge hemtjänst" not in named()
        for command in (
            ["key", "-o", own],
            ["sign", str(tmp_path / "branch.json"), "--key", own, "-o", sent],
            ["register", NEW, f"{own}.pub"],
            ["load", sent],
        ):
            done = either.valv("directory", *command)
            assert (done.returncode, done.stderr) == (0, "")
        assert named() == ["Nyköpinge hemtjänst"]
        again = either.valv("directory", "load", sent)
        assert again.returncode == 2
        assert again.stderr == f"valv: {sent}: {NEW}: version 1 is not newer than 1, which is stored\n"
