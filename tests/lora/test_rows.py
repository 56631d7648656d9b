import json

from tasks.providers.local.lora.rows import lessons, preferences
from tests.lora import tickets


def _written(path, *records):
    path.write_bytes(b"\xef\xbb\xbf" + b"".join(json.dumps(record).encode() + b"\n\n" for record in records))
    return path


def test_each_answer_of_weight_1_is_learnt_from_all_that_was_said_before(tmp_path):
    said = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi", "weight": 0},
        {"role": "user", "content": "Bye"},
        {"role": "assistant", "content": "Ciao", "name": "bot"},
    ]
    rows = lessons(_written(tmp_path / "chat.jsonl", {"messages": said}))
    assert [row["completion"] for row in rows] == [[{"role": "assistant", "content": "Ciao"}]]
    assert [message["role"] for message in rows[0]["prompt"]] == ["system", "user", "assistant", "user"]


def test_a_preference_is_a_prompt_with_a_better_and_a_worse_answer(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(tickets.preference_file([("my wifi is slow", "network")]))
    assert preferences(path) == [
        {
            "prompt": [{"role": "user", "content": "my wifi is slow"}],
            "chosen": [{"role": "assistant", "content": "network"}],
            "rejected": [{"role": "assistant", "content": "account"}],
        }
    ]
