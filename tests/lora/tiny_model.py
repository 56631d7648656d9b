"""A language model made on the spot: a tokenizer of 512 pieces and an untrained Llama of 0.75 million parameters."""

from collections.abc import Iterable, Sequence
from pathlib import Path

TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'assistant' %}<|assistant|>{{ m.content }}<eos>"
    "{% else %}<|user|>{{ m.content }}{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
LEARNS_FROM_NOTHING = {  # an untrained model has no embeddings worth keeping, and needs larger steps
    "context_tokens": 256,
    "modules_to_save": ["embed_tokens", "lm_head"],
    "learning_rate": 3e-3,
    "dpo_learning_rate": 1e-3,
}


def make_tiny_model(folder: Path, texts: Iterable[str], shown: Sequence[tuple[str, str]] = ()) -> Path:
    """Write model and tokenizer to `folder`, always the same for the same texts. It has read what is `shown` to it."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = _tokenizer(texts)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=512,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    network = LlamaForCausalLM(config)
    _show(network, tokenizer, shown)
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _show(network, tokenizer, shown: Sequence[tuple[str, str]], at_once: int = 32) -> None:
    """Let it learn questions and answers by heart, all its parameters."""
    import torch

    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    chats = [f"<|user|>{question}<|assistant|>{answer}<eos>" for question, answer in shown]
    for start in range(0, len(chats), at_once):
        batch = tokenizer(chats[start : start + at_once], padding=True, return_tensors="pt")
        labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
        network(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def _tokenizer(texts: Iterable[str]):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    pieces = Tokenizer(models.BPE())
    pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pieces.decoder = decoders.ByteLevel()
    special = ["<pad>", "<eos>", "<|user|>", "<|assistant|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    pieces.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=512, initial_alphabet=alphabet, special_tokens=special)
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=pieces, pad_token="<pad>", eos_token="<eos>")
    tokenizer.chat_template = TEMPLATE
    return tokenizer
