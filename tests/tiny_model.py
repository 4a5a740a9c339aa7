"""A small language model that reads its prompt: trained here, in minutes, to answer from numbered passages.

    OMP_NUM_THREADS=1 python -m tests.tiny_model tests/data/tiny.gguf        trains it anew, with the same seed

Its world is a few kinds of facts ("The lease of Ada ends in 2021.") over lists of names and values; which name has
which value is new in every prompt, so it can only know it from the passages. It is a llama of under a million weights
that has seen one chat template, LLaMA 2's, filled by rag/prompt.py with prompts/tasks/answer.en.txt. When that text
changes so much that its tests fail it has to be trained anew: 700 steps, 270 seconds of processor time. The one in the
repository was trained before the tags of passages carried a mark; it reads past them.

What it has learnt: to say the fact that is asked for, among others of the same name and of the same thing. What it has
not, though its examples hold it: which of several passages says so (it guesses the number), and to abstain.
"""

import argparse
import math
import random
import string
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import gguf
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ingest.types import Passage
from models.types import ModelInfo
from rag.prompt import choose_template, fill_prompt, passage_mark
from rag.types import ABSTENTION, Hit
from tests.gguf_files import BYTE, CONTROL, LLAMA2, NORMAL, UNKNOWN, USER_DEFINED, quantise

TRAINED = Path(__file__).parent / "data" / "tiny.gguf"
CONTEXT = 2048
MARK = "7f3a9c"  # of passages' tags in training, the same each time
INFO = ModelInfo("tiny", context=CONTEXT, chat_template=LLAMA2, bos_token="<s>", eos_token="</s>")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


NAMES = _words(
    "Ada Bruno Carla Dario Elena Felix Gina Hugo Irene Jonas Karin Luis Marta Nico Olga Pablo Quin Rosa Sven Tara"
    " Ugo Vera Walter Xenia Yara Zoe Alba Boris Clara Diego Emma Fidel Greta Hector Ivan Julia Kurt Laura Mario Nora"
)
CITIES = _words(
    "Lima Quito Bogota Madrid Lisbon Paris Rome Vienna Berlin Oslo Turin Porto Malaga Geneva Dublin London Boston"
    " Denver Austin Toronto"
)
MONTHS = _words("January February March April May June July August September October November December")
COLOURS = _words("red blue green black white yellow grey brown")
FILES = _words("alpha beta gamma delta epsilon zeta eta theta iota kappa lambda omega")
NUMBERS = tuple(str(number) for number in range(10, 70, 5))
YEARS = tuple(str(year) for year in range(2000, 2030))
AMOUNTS = tuple(str(amount) for amount in range(150, 1000, 50))


@dataclass(frozen=True)
class Relation:
    """What can be said of a name: `fact` and `question` with the holes {name} and {value}."""

    fact: str
    question: str
    values: tuple[str, ...]


RELATIONS = (
    Relation("The lease of {name} ends in {value}.", "When does the lease of {name} end?", YEARS),
    Relation("The contract of {name} begins in {value}.", "When does the contract of {name} begin?", MONTHS),
    Relation("The deposit of {name} is {value} euros.", "What is the deposit of {name}?", AMOUNTS),
    Relation("The notice period of {name} is {value} days.", "How long is the notice period of {name}?", NUMBERS),
    Relation("The office of {name} is in {value}.", "Where is the office of {name}?", CITIES),
    Relation("The car of {name} is {value}.", "What colour is the car of {name}?", COLOURS),
    Relation("The manager of {name} is {value}.", "Who is the manager of {name}?", NAMES),
)


@dataclass(frozen=True)
class Example:
    """Passages, questions of them and the sentence that answers each, with its citation."""

    hits: tuple[Hit, ...]
    questions: tuple[str, ...]
    answers: tuple[str, ...]


def make_example(rng: random.Random, passages: int, questions: int, absent: float = 0.2) -> Example:
    """`absent` is the share of questions that no passage answers: about somebody whom none names. Of the others there
    are passages on the same name, and on the same thing of other names."""
    names = rng.sample(NAMES, max(2, passages) + questions)
    unnamed, named = names[:questions], names[questions:]
    pairs = [(name, relation) for name in named for relation in RELATIONS]
    rng.shuffle(pairs)
    counts = [rng.choice((1, 1, 2)) for _ in range(passages)]
    known = pairs[: sum(counts)]
    said: dict[tuple[str, Relation], tuple[str, int]] = {}
    hits = []
    rest = iter(known)
    for number, count in enumerate(counts, start=1):
        sentences = []
        for _ in range(count):
            name, relation = next(rest)
            sentence = relation.fact.format(name=name, value=rng.choice([v for v in relation.values if v != name]))
            said[name, relation] = (sentence, number)
            sentences.append(sentence)
        hits.append(_hit(rng, number, " ".join(sentences)))
    asked = [
        (name, rng.choice(RELATIONS)) if rng.random() < absent else rng.choice(known)  # each unnamed at most once
        for name in unnamed
    ]
    return Example(
        tuple(hits),
        tuple(relation.question.format(name=name) for name, relation in asked),
        tuple(_answer(said.get(pair)) for pair in asked),
    )


def _answer(said: tuple[str, int] | None) -> str:
    return f"{said[0][:-1]} [{said[1]}]." if said else ABSTENTION["en"]


def _hit(rng: random.Random, number: int, text: str) -> Hit:
    page, name = rng.choice((None, None, rng.randint(1, 9))), rng.choice(FILES)
    passage = Passage(
        id=f"p{number}", path=f"{name}.txt", position=0, text=text, headings=(), kind="paragraph",
        page=page, page_to=page, spans=(), tokens=1, language="en",
    )  # fmt: skip
    return Hit(number, 1.0, passage, rng.choice(("", name, name, "Letter", "Notes")))


def turns(example: Example, instructed: bool = True) -> list[tuple[str, bool]]:
    """The example as the product's own prompt and the turns after it: texts, and whether the model says them."""
    template = choose_template(INFO)
    first = fill_prompt(example.questions[0], example.hits, INFO, "en", lambda _: 1, CONTEXT, 1).text
    first = first.replace(passage_mark(), MARK)
    if not instructed:
        first = "<s>[INST] " + first.partition("<</SYS>>\n\n")[2]
    told = [first, *(template.user.replace("$user", f"Question: {question}") for question in example.questions[1:])]
    return [
        turn
        for text, answer in zip(told, example.answers, strict=True)
        for turn in ((text, False), (f" {answer}</s>", True))
    ]


# ----------------------------------------------------------------------------------------------------- the vocabulary


def vocabulary() -> tuple[list[str], list[int]]:
    """Tokens and their types: the bytes, the characters, and every word of prompt and facts with its beginnings, as
    SentencePiece needs them to put a word together."""
    rng = random.Random(0)
    texts = [text for _ in range(300) for text, _ in turns(make_example(rng, 8, 4))]
    marks = ["[INST]", "[/INST]", "<<SYS>>", "<</SYS>>"]
    words: dict[str, None] = {}
    for text in texts:
        for mark in (*marks, "<s>", "</s>"):
            text = text.replace(mark, "\n")
        for line in text.split("\n"):
            for place, word in enumerate(line.split(" ")):
                bare = word.strip("\"'().,:;?[]")
                if bare and word.startswith(bare) and not set(bare) & set("/.[]"):
                    words[("\u2581" if place else "") + bare] = None
    for value in (*NAMES, *FILES, *(value for relation in RELATIONS for value in relation.values)):
        words["\u2581" + value] = None
    for name in ("<passage>", "</passage>", ".txt"):
        words[name] = None
    characters = [*string.printable.strip(), "\u2581"]
    chains = dict.fromkeys(word[:size] for word in words for size in range(2, len(word) + 1))
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)] + marks + characters
    types = [UNKNOWN, CONTROL, CONTROL] + [BYTE] * 256 + [USER_DEFINED] * len(marks) + [NORMAL] * len(characters)
    more = [chain for chain in chains if chain not in set(tokens)]
    return tokens + more, types + [NORMAL] * len(more)


# ---------------------------------------------------------------------------------------------------------- the model


@dataclass(frozen=True)
class Shape:
    width: int = 128
    blocks: int = 4
    heads: int = 4
    inner: int = 256
    rope_base: float = 100_000.0
    epsilon: float = 1e-5


class Block(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        width = shape.width
        self.attn_norm = nn.RMSNorm(width, eps=shape.epsilon)
        self.ffn_norm = nn.RMSNorm(width, eps=shape.epsilon)
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            setattr(self, name, nn.Linear(width, width, bias=False))
        self.ffn_gate = nn.Linear(width, shape.inner, bias=False)
        self.ffn_up = nn.Linear(width, shape.inner, bias=False)
        self.ffn_down = nn.Linear(shape.inner, width, bias=False)

    def forward(self, prefix: Tensor, x: Tensor, mask: Tensor, angles: Tensor) -> tuple[Tensor, Tensor]:
        """`prefix` (1, P, width) is what all of the batch `x` (B, S, width) begin with; it is computed once."""
        before = prefix.shape[1]
        q0, k0, v0 = self._heads(self.attn_norm(prefix), angles[:before])
        q, k, v = self._heads(self.attn_norm(x), angles[before:])
        batch = x.shape[0]
        seen = functional.scaled_dot_product_attention(q0, k0, v0, is_causal=True)
        k = torch.cat([k0.expand(batch, -1, -1, -1), k], dim=2)
        v = torch.cat([v0.expand(batch, -1, -1, -1), v], dim=2)
        read = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self._after(prefix, seen), self._after(x, read)

    def _heads(self, x: Tensor, angles: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        parts = [getattr(self, name)(x) for name in ("attn_q", "attn_k", "attn_v")]
        q, k, v = (part.unflatten(2, (self.shape.heads, -1)).transpose(1, 2) for part in parts)  # (B, heads, S, size)
        return _rotated(q, angles), _rotated(k, angles), v

    def _after(self, x: Tensor, read: Tensor) -> Tensor:
        x = x + self.attn_output(read.transpose(1, 2).flatten(2))
        normed = self.ffn_norm(x)
        return x + self.ffn_down(functional.silu(self.ffn_gate(normed)) * self.ffn_up(normed))


def _rotated(x: Tensor, angles: Tensor) -> Tensor:
    """Rotary positions on neighbouring pairs, as llama.cpp has them for the llama architecture."""
    cos, sin = angles.cos(), angles.sin()
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2)


class TinyLlama(nn.Module):
    def __init__(self, tokens: int, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.token_embd = nn.Embedding(tokens, shape.width)
        self.blk = nn.ModuleList(Block(shape) for _ in range(shape.blocks))
        self.output_norm = nn.RMSNorm(shape.width, eps=shape.epsilon)
        for weight in self.parameters():
            if weight.dim() == 2:
                nn.init.normal_(weight, std=1 / math.sqrt(shape.width))
        self._prepare()

    @torch.no_grad()
    def _prepare(self) -> None:
        """Heads begin by looking at tokens like their own and copying what they see, which is most of what is to be
        learnt here (Trockman & Kolter 2023, "Mimetic Initialization of Self-Attention Layers")."""
        for block in self.blk:
            block.attn_q.weight.copy_(block.attn_k.weight + 0.3 * block.attn_q.weight)
            block.attn_output.weight.copy_(0.5 * block.attn_v.weight.T)
            block.ffn_down.weight.mul_(0.2)

    def _speeds(self) -> Tensor:
        size = self.shape.width // self.shape.heads
        return self.shape.rope_base ** (-torch.arange(0, size, 2) / size)

    def forward(self, prefix: Tensor, rows: Tensor, wanted: Tensor) -> Tensor:
        """Scores (N, tokens) after the positions of `rows` (B, S) that are `wanted`; `prefix` (P) is before each."""
        x0, x = self.token_embd(prefix[None]), self.token_embd(rows)
        before, length = len(prefix), rows.shape[1]
        mask = torch.ones(length, before + length, dtype=torch.bool).tril(before)
        angles = torch.arange(before + length)[:, None] * self._speeds()  # (P + S, size / 2)
        for block in self.blk:
            x0, x = block(x0, x, mask, angles)
        return self.output_norm(x[wanted]) @ self.token_embd.weight.T


def write_model(path: Path, tokens: Sequence[str], types: Sequence[int], model: TinyLlama | None) -> Path:
    """As F16, or its vocabulary alone."""
    shape = model.shape if model else Shape()
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("Tiny reader")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.blocks)
    writer.add_feed_forward_length(shape.inner)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_rope_dimension_count(shape.width // shape.heads)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_vocab_size(len(tokens))
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([token.encode() for token in tokens])
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types(types)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(LLAMA2)
    for name, weight in model.named_parameters() if model else ():
        kind = np.float32 if "norm" in name else np.float16
        writer.add_tensor(name, weight.detach().numpy().astype(kind))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


class Tokenizer:
    """llama.cpp's own, of a GGUF's vocabulary."""

    def __init__(self, path: Path) -> None:
        import llama_cpp

        self._llama = llama_cpp.Llama(str(path), vocab_only=True, verbose=False)
        self._known = cache(self._tokenize)

    def __call__(self, text: str) -> list[int]:
        return list(self._known(text))

    def _tokenize(self, text: str) -> tuple[int, ...]:
        return tuple(self._llama.tokenize(text.encode(), add_bos=False, special=True))


# ----------------------------------------------------------------------------------------------------------- training


MASTERED = 0.75  # of the answers: then there may be a passage more
MOST = 5
SHORT = 0.6  # of the steps, the first: without the instruction, which is long and always the same


def train(path: Path, steps: int, seed: int = 0, batch: int = 16, report: bool = True, rate: float = 4e-3) -> Path:
    """Trains a model in `steps` steps and writes it to `path`, quantised to Q8_0. With the same seed, library versions
    and processor it gives the same model."""
    torch.manual_seed(seed)
    rng = random.Random(seed)
    tokens, types = vocabulary()
    tokenizer = Tokenizer(write_model(path.with_suffix(".vocabulary.gguf"), tokens, types, None))
    path.with_suffix(".vocabulary.gguf").unlink()
    model = TinyLlama(len(tokens), Shape())
    matrices = [weight for weight in model.parameters() if weight.dim() == 2]
    others = [weight for weight in model.parameters() if weight.dim() != 2]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}], betas=(0.9, 0.98)
    )
    began = time.monotonic()
    most, mastery = 3, 0.0
    for step in range(steps):
        instructed = step >= SHORT * steps
        if mastery > MASTERED and most < MOST:
            most, mastery = most + 1, 0.0
        examples = [make_example(rng, rng.randint(1, most), 6) for _ in range(batch)]
        prefix, rows, told = _tensors(examples, tokenizer, instructed)
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 30, max(0.05, (steps - step) / (0.4 * steps)))
        scores = model(prefix, rows, told)
        targets = rows.roll(-1, 1)[told]
        loss = functional.cross_entropy(scores, targets)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        right = _share_right(scores.argmax(-1) == targets, targets)
        mastery += 0.1 * (right - mastery)
        if report and (step % 25 == 0 or step == steps - 1):
            spent = f"{time.monotonic() - began:4.0f} s, of processors {time.process_time():4.0f} s"
            print(f"step {step:4d}  {spent}  passages {most}  loss {loss.item():.3f}  answers {right:.3f}", flush=True)
    half = write_model(path.with_suffix(".f16.gguf"), tokens, types, model)
    quantise(half, path)
    half.unlink()
    return path


def _share_right(tokens: Tensor, targets: Tensor) -> float:
    """The share of answers with all tokens right; each ends in </s>."""
    ends = ((targets == 2).nonzero().flatten() + 1).tolist()
    answers = [bool(tokens[start:end].all()) for start, end in zip([0, *ends], ends, strict=False)]
    return sum(answers) / len(answers)


def _tensors(examples: Sequence[Example], tokenizer: Tokenizer, instructed: bool) -> tuple[Tensor, Tensor, Tensor]:
    """What all begin with (P), what follows (B, S), and the positions (B, S) after which the model speaks."""
    rows, said = [], []
    for example in examples:
        row: list[int] = []
        says: list[bool] = []
        for text, own in turns(example, instructed):
            found = tokenizer(text)
            row += found
            says += [own] * len(found)
        rows.append(row)
        said.append(says)
    same = next(i for i, column in enumerate(zip(*rows, strict=False)) if len(set(column)) > 1)
    length = max(map(len, rows)) - same
    padded = torch.zeros(len(rows), length, dtype=torch.long)
    told = torch.zeros(len(rows), length, dtype=torch.bool)
    for n, (row, says) in enumerate(zip(rows, said, strict=True)):
        padded[n, : len(row) - same] = torch.tensor(row[same:])
        told[n, : len(row) - same - 1] = torch.tensor(says[same + 1 :])
    return torch.tensor(rows[0][:same]), padded, told


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Trains the tests' model that reads its prompt.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rate", type=float, default=4e-3)
    chosen = parser.parse_args(arguments)
    train(chosen.path, chosen.steps, chosen.seed, rate=chosen.rate)


if __name__ == "__main__":
    main(sys.argv[1:])
