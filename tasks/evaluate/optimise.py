"""A library rewrites a prompt from what it got wrong on train rows: GEPA (Agrawal et al. 2025, arXiv 2507.19457)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from data_contracts.candidate import Prompt
from data_contracts.use_case import TaskKind
from tasks.errors import ConfigurationError
from tasks.evaluate.comparison.measure import measure, side_by_side

if TYPE_CHECKING:
    from gepa import EvaluationBatch

MINIBATCH = 8  # train rows read at a time: of the library's own three, a good prompt mostly has none wrong
Ask = Callable[[Prompt, pd.DataFrame], pd.DataFrame]  # scored answers of a prompt to rows
Texts = dict[str, str]  # layer -> text
TEMPLATE = """A model answers inputs of one task. All its instructions, as they were at first:

{whole}

You rewrite one part of them: {part}. At present it reads:
```
<curr_param>
```

Inputs of the task, what the model answered, and what it should have answered:

<side_info>

Find out what the wrong answers have in common, and what the expected ones tell about the task: its terms, its edge
cases, what tells answers apart that look alike. Then write this part anew so that the model gets such inputs right, and
keep what already helps. Write rules that hold for other inputs as well; do not list these inputs with their answers.
{form}
Put the new text between two lines of ```."""
LAYERS = {
    "role": ("who answers, and what the task is", "A few sentences."),
    "rules": ("the rules: behaviour, edge cases, what not to do", "One rule a line."),
    "output_format": ("what an answer looks like", "Keep to the form of the expected answers: another cannot be read."),
}


@dataclass(frozen=True)
class Material:
    """What the library may see: train rows whose mistakes it reads, and validation rows of which it sees scores."""

    train: pd.DataFrame
    validation: pd.DataFrame
    metric: str
    kind: TaskKind
    seed: int


@dataclass(frozen=True)
class Written:
    """The best prompt found, which may be the first one, and how many answers that took."""

    prompt: Prompt
    answers: int


class NoTextError(Exception):
    """The writing model gave no text this time; the library goes on without."""


def optimise(start: Prompt, whole: str, material: Material, ask: Ask, writer: "Writer") -> Written:
    """The best prompt within the writer's budget of answers, the same every time that the answers are the same.

    `whole` is the start's full text. Raises ConfigurationError without the library or with too small a budget.
    """
    gepa = _library()
    adapter = _Adapter(start, material, ask)
    found = gepa.optimize(
        seed_candidate=texts_of(start),
        trainset=material.train["id"].tolist(),
        valset=material.validation["id"].tolist(),
        adapter=adapter,
        reflection_lm=writer,
        reflection_prompt_template={
            layer: TEMPLATE.format(whole=whole, part=part, form=form) for layer, (part, form) in LAYERS.items()
        },
        reflection_minibatch_size=min(MINIBATCH, len(material.train)),
        max_metric_calls=last_start(len(material.train), len(material.validation), writer.budget),
        stop_callbacks=lambda state: writer.stopped is not None,
        logger=_Quiet(),
        track_best_outputs=False,
        seed=material.seed,
    )
    if writer.stopped:
        raise writer.stopped
    return Written(with_texts(start, found.candidates[found.best_idx]), adapter.answers)


class Writer:
    """The model that rewrites, and the budget of answers that its prompts may take.

    The library goes on after an error of its writer: what must stop the run is kept here and raised at the end.
    """

    def __init__(self, write: Callable[[str], str], budget: int) -> None:
        """`write` may raise NoTextError, which costs one try only."""
        self._write, self.budget = write, budget
        self.stopped: Exception | None = None

    def __call__(self, prompt: str | list[dict[str, Any]]) -> str:
        """Text with the rewritten part in it."""
        if self.stopped:
            raise self.stopped
        try:
            return self._write(str(prompt))
        except NoTextError:
            raise
        except Exception as error:
            self.stopped = error
            raise


def last_start(train: int, validation: int, budget: int) -> int:
    """Answers after which nothing new is begun, so that the budget holds: the library looks at it between turns only,
    each of which may take two minibatches and all validation rows. Raises ConfigurationError where not one fits.
    """
    turn = 2 * min(MINIBATCH, train) + validation
    if budget < validation + turn:
        problem = f"{budget} answers do not reach for one rewritten prompt, which takes {validation + turn}"
        remedy = "Raise `max_answers`, or lower `validation_rows` there."
        raise ConfigurationError("prompts.optimiser", problem, remedy)
    return budget - turn + 1


def texts_of(prompt: Prompt) -> Texts:
    """The layers that may be rewritten."""
    return {"role": prompt.role, "rules": "\n".join(prompt.rules), "output_format": prompt.output_format}


def with_texts(prompt: Prompt, texts: Mapping[str, str]) -> Prompt:
    """The prompt with these layers; a rule a line, whatever it was listed with."""
    rules = [rule for line in texts["rules"].splitlines() if (rule := line.lstrip("-*• \t").rstrip())]
    layers = {"role": texts["role"].strip(), "rules": rules, "output_format": texts["output_format"].strip()}
    return prompt.model_copy(update=layers)


class _Adapter:
    """Between the library and our engine: it knows rows by their ids, we know what they say."""

    propose_new_texts = None  # the library's own way

    def __init__(self, start: Prompt, material: Material, ask: Ask) -> None:
        self._start, self._material, self._ask = start, material, ask
        rows = pd.concat([material.train, material.validation], ignore_index=True)
        self._rows = rows.drop_duplicates("id").set_index("id", drop=False)
        self.answers = 0

    def evaluate(
        self, batch: list[str], candidate: Texts, capture_traces: bool = False
    ) -> "EvaluationBatch[dict[str, Any], str]":
        """Outputs and scores of these rows, and what is to be learnt from them."""
        from gepa import EvaluationBatch

        rows = self._rows.loc[list(dict.fromkeys(batch))]
        answers = self._ask(with_texts(self._start, candidate), rows.reset_index(drop=True))
        self.answers += len(batch)
        (side,) = side_by_side(answers, answers["candidate"].unique().tolist())
        figures = measure([side], self._material.metric, self._material.kind).per_case[0]
        records = side.assign(figure=figures).set_index("case").loc[batch]
        lessons = [self._lesson(case, record) for case, record in zip(batch, records.to_dict("records"), strict=True)]
        outputs, scores = records["output"].tolist(), [float(figure) for figure in records["figure"]]
        return EvaluationBatch(outputs=outputs, scores=scores, trajectories=lessons if capture_traces else None)

    def make_reflective_dataset(
        self, candidate: Texts, eval_batch: "EvaluationBatch[dict[str, Any], str]", components_to_update: list[str]
    ) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """The same lessons for each layer."""
        return {component: eval_batch.trajectories or [] for component in components_to_update}

    def _lesson(self, case: str, answer: Mapping[Any, Any]) -> dict[str, Any]:
        figure, outcome = answer["figure"], answer["outcome"]
        verdict = "Right." if figure >= 1 else "Wrong." if figure <= 0 else f"Partly right: {figure:.2f} of 1."
        return {
            "Input": self._rows.at[case, "input"],
            "Answer": answer["output"],
            "Expected": answer["expected"],
            "Feedback": verdict if outcome == "answered" else f"It could not be counted as an answer: {outcome}.",
        }


class _Quiet:
    """The library logs row text; nothing of it is kept."""

    def log(self, message: str) -> None:
        """Nothing."""


def _library() -> Any:  # noqa: ANN401 - a module
    try:
        import gepa
    except ModuleNotFoundError:
        problem, remedy = "the library gepa is not installed", 'Install it: pip install "tunegate[gepa]".'
        raise ConfigurationError("prompts.optimiser", problem, remedy) from None
    return gepa
