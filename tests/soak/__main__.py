"""``make soak``: what takes long. ``make test`` runs a short form of each (tests/soak/test_soak.py).

    python -m tests.soak [--only kills,steps,memory,misuse] [--engines sqlite,postgresql]
                         [--kills 500] [--steps 20000] [--vaults 200] [--measurements 1000000] [--seed N]

It prints what each part found, writes build/soak.json, and ends with 1 where anything was lost, doubled, half,
unlogged, decided otherwise than the model, more than the memory that the server may hold, or misuse
that a supervisor would not meet.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests import postgres
from tests.soak import kills, memory, misuse
from tests.soak.steps import walk
from tests.world import make_template

WALK = 1000  # steps by one seed; then the next is taken
MOST_MB = 400
_REPORT = Path("build/soak.json")


def main() -> int:
    """Run what is asked for; return 0 where all of it holds."""
    asked = _arguments()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="valv-soak-") as name:
        folder = Path(name)
        for engine in asked.engines:
            if "kills" in asked.only:
                found[f"kills on {engine}"] = _kills(folder / f"kills-{engine}", engine, asked)
            if "steps" in asked.only:
                found[f"steps on {engine}"] = _steps(folder / f"steps-{engine}", engine, asked)
        if "memory" in asked.only:
            found["memory"] = _memory(folder / "memory", asked)
    if "misuse" in asked.only:
        found["misuse"] = _misuse()
    _REPORT.parent.mkdir(exist_ok=True)
    _REPORT.write_text(json.dumps(found, indent=1) + "\n")
    for what, told in found.items():
        _say(f"{what}: {'holds' if told['holds'] else 'DOES NOT HOLD'}: {told}")
    return 0 if all(told["holds"] for told in found.values()) else 1


def _misuse() -> dict[str, Any]:
    """Years with forty planted cases among 200,000 accesses, on seeds that nothing was tuned by."""
    years = []
    for seed in misuse.HELD_OUT:
        years.append(misuse.tried(seed))
        _say(f"misuse, seed {seed}: {sum(years[-1].found.values())} of 40 in the top {misuse.TOP}")
    return {"years": [asdict(one) for one in years], "holds": misuse.holds(years)}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="What takes long.")
    engines = ["sqlite", *([] if postgres.MISSING else ["postgresql"])]
    parser.add_argument("--only", type=_words, default=["kills", "steps", "memory", "misuse"])
    parser.add_argument("--engines", type=_words, default=engines)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--vaults", type=int, default=200)
    parser.add_argument("--measurements", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    return parser.parse_args()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _words(text: str) -> list[str]:
    return text.split(",")


def _kills(folder: Path, engine: str, asked: argparse.Namespace) -> dict[str, Any]:
    outcome = kills.run(folder, engine, kills=asked.kills, seed=asked.seed, told=_say)
    found = asdict(outcome)
    bad = [found[name] for name in ("lost", "twice", "half", "unlogged")]
    return {**found, "seed": asked.seed, "holds": not any(bad)}


def _steps(folder: Path, engine: str, asked: argparse.Namespace) -> dict[str, Any]:
    template, taken, seed = make_template(folder / "template", engine), 0, asked.seed
    while taken < asked.steps:
        try:
            taken += walk(template, folder / str(seed), steps=min(WALK, asked.steps - taken), number=seed)
        except AssertionError as error:
            fault = "\n".join([str(error), *error.__notes__])
            return {"steps": taken, "seed": seed, "fault": fault, "holds": False}
        seed += 1
        _say(f"steps on {engine}: {taken:,} of {asked.steps:,}")
    return {"steps": taken, "first seed": asked.seed, "holds": True}


def _memory(folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    held = asyncio.run(memory.run(folder, count=asked.vaults, measurements=asked.measurements, told=_say))
    return {
        **asdict(held),
        "measurements": asked.measurements,
        "limit": MOST_MB,
        "holds": held.most < MOST_MB,
    }


if __name__ == "__main__":
    sys.exit(main())
