"""Answers from a base model of one's own, as a process: `python -m tasks.providers.local.lora.serving --recipe JSON`.

A question is a JSON line on standard input, an answer one on standard output, with the same id; the first line out says
whether the model was loaded. It ends with its input.
"""

import argparse
import json
import os
import sys
import threading
import traceback
from collections import deque
from collections.abc import Sequence
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, BinaryIO

from tasks.providers.local.lora import loading
from tasks.providers.local.lora.recipe import Recipe, UnusableError

if TYPE_CHECKING:
    from tasks.providers.local.lora.generation import Model, Question


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer until nobody asks any more; 2 where the model cannot be loaded."""
    parser = argparse.ArgumentParser(description="Answer from a base model of your own.")
    parser.add_argument("--recipe", type=Recipe.from_json, required=True, help="its source and the machine, as JSON")
    recipe = parser.parse_args(arguments).recipe
    out = _own_output()
    loading.settle(recipe)
    try:
        with loading.explained(recipe):
            from tasks.providers.local.lora.generation import Model

            model = Model.load(recipe)
    except UnusableError as problem:
        _say(out, {"ready": False, "code": problem.code, "message": problem.message})
        return 2
    _say(out, {"ready": True})
    _serve(model, out)
    return 0


def _serve(model: "Model", out: BinaryIO) -> None:
    asked: SimpleQueue[Question] = SimpleQueue()
    threading.Thread(target=_listen, args=(asked,), daemon=True).start()
    waiting: deque[Question] = deque()
    while True:
        if not waiting:
            waiting.append(asked.get())
        while not asked.empty():
            waiting.append(asked.get())
        for reply in _replies(model, _together(waiting, model.recipe.answers_at_once)):
            _say(out, reply)


def _listen(asked: "SimpleQueue[Question]") -> None:
    """Hand on what comes in; whoever asked is gone when nothing more can come, and so is the use of this process."""
    from tasks.providers.local.lora.generation import Question

    with open(0, "rb", closefd=False) as lines:
        for line in lines:
            asked.put(Question(**json.loads(line)))
    os._exit(0)


def _together(waiting: "deque[Question]", most: int) -> "list[Question]":
    """The oldest question, and younger ones that can be answered with it."""
    company = [one for one in waiting if one.company == waiting[0].company][:most]
    for one in company:
        waiting.remove(one)
    return company


def _replies(model: "Model", questions: "list[Question]") -> list[dict[str, Any]]:
    try:
        with loading.explained(model.recipe):
            return _answered(model, questions)
    except UnusableError as problem:
        return [_refused(one, problem) for one in questions]
    except Exception as problem:  # its text may quote a message
        print(type(problem).__name__, *traceback.format_tb(problem.__traceback__), file=sys.stderr, flush=True)
        return [{"id": one.id, "code": "server_error", "message": "The model failed to answer."} for one in questions]


def _answered(model: "Model", questions: "list[Question]") -> list[dict[str, Any]]:
    prompts: list[tuple[Question, list[int]]] = []
    replies: list[dict[str, Any]] = []
    for one in questions:
        try:
            prompts.append((one, model.prompt(one)))
        except UnusableError as problem:
            replies.append(_refused(one, problem))
    if prompts:
        fit = [one for one, _ in prompts]
        answers = model.answer(fit, [tokens for _, tokens in prompts])
        replies += [{"id": one.id, **vars(answer)} for one, answer in zip(fit, answers, strict=True)]
    return replies


def _refused(question: "Question", problem: UnusableError) -> dict[str, Any]:
    return {"id": question.id, "code": problem.code, "message": problem.message}


def _own_output() -> BinaryIO:
    """Standard output for answers alone: what a library prints goes to standard error."""
    own = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return own


def _say(out: BinaryIO, reply: dict[str, Any]) -> None:
    out.write(json.dumps(reply).encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main())
