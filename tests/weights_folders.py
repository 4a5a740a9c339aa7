"""Folders as Hugging Face's Transformers keeps models: a llama of random weights, made in a second."""

import json
from pathlib import Path

from tests.gguf_files import CHATML

TEXT = "The notice period is thirty days. The lease ends in 2031. El plazo de aviso es de treinta días."


def weights_folder(path: Path, context: int = 512, template: str = CHATML, seed: int = 0) -> Path:
    """Writes a small llama with a byte-level tokenizer into the folder, and returns it. Its answers are noise, the same
    for the same seed and prompt."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "</s>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([TEXT], trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="<|im_end|>", chat_template=template
    )
    fast.save_pretrained(path)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(fast), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=context, bos_token_id=0, eos_token_id=3,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(path)
    return path


def change(folder: Path, file: str, **values: object) -> None:
    """Sets keys of one of its JSON files; None takes one away."""
    content = json.loads((folder / file).read_text())
    content |= values
    (folder / file).write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
