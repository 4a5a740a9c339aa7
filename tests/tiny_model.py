"""A small language model that reads its prompt: trained here, in minutes, to answer from numbered passages.

    OMP_NUM_THREADS=1 python -m tests.tiny_model tests/data/tiny.gguf        trains it anew, with the same seed

Its world is a few kinds of facts ("The lease of Ada ends in 2021.") over lists of names and values; which name has
which value is new in every prompt, so it can only know it from the passages. It is a llama of under a million weights
that has seen one chat template, LLaMA 2's, filled by rag/prompt.py with prompts/tasks/answer.en.txt. When that text
changes it has to be trained anew: 1,200 steps, nine minutes of one processor core.

It has learnt to say the fact that is asked for, among others of the same name and of the same thing, to cite the
passage that says it, and to abstain where none does.
"""

import argparse
import math
import random
import string
import sys
import time
from collections.abc import Callable, Sequence
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
from rag.prompt import fill_prompt, passage_mark
from rag.types import ABSTENTION, Hit
from tests.gguf_files import BYTE, CONTROL, LLAMA2, NORMAL, UNKNOWN, USER_DEFINED, quantise

TRAINED = Path(__file__).parent / "data" / "tiny.gguf"
CONTEXT = 2048
INFO = ModelInfo("tiny", context=CONTEXT, chat_template=LLAMA2, bos_token="<s>", eos_token="</s>")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


NAMES = _words(
    "Ada Bruno Carla Dario Elena Felix Gina Hugo Irene Jonas Karin Luis Marta Nico Olga Pablo Quin Rosa Sven Tara"
    " Ugo Vera Walter Xenia Yara Zoe Alba Boris Clara Diego Emma Fidel Greta Hector Ivan Julia Kurt Laura Mario Nora"
)
SURNAMES = _words(
    "Abbott Becker Castro Duarte Eriksen Fontana Garcia Hansen Ibarra Jensen Keller Lopez Moreno Novak Ortega Petrov"
    " Quiroga Romero Schmidt Torres Ullman Vargas Weber Young Zapata"
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
    Relation("The manager of {name} is {value}.", "Who is the manager of {name}?", SURNAMES),
)


@dataclass(frozen=True)
class Example:
    """Passages, questions of them and the sentence that answers each, with its citation; and what each asks for, ''
    where no passage says it."""

    hits: tuple[Hit, ...]
    questions: tuple[str, ...]
    answers: tuple[str, ...]
    values: tuple[str, ...]


def make_example(rng: random.Random, passages: int, questions: int, absent: float = 1 / 3) -> Example:
    """`absent` is the share of questions that no passage answers: half of them of somebody whom none names, half of
    another thing of somebody whom one names. There are passages on the same name, and on the same thing of others."""
    names = rng.sample(NAMES, max(2, passages) + questions)
    unnamed, named = names[:questions], names[questions:]
    pairs = [(name, relation) for name in named for relation in RELATIONS]
    rng.shuffle(pairs)
    counts = [rng.choice((1, 1, 2)) for _ in range(passages)]
    known, unknown = pairs[: sum(counts)], pairs[sum(counts) :]
    said: dict[tuple[str, Relation], tuple[str, int, str]] = {}
    hits = []
    rest = iter(known)
    for number, count in enumerate(counts, start=1):
        sentences = []
        for _ in range(count):
            name, relation = next(rest)
            value = rng.choice(relation.values)
            sentence = relation.fact.format(name=name, value=value)
            said[name, relation] = (sentence, number, value)
            sentences.append(sentence)
        hits.append(_hit(rng, number, " ".join(sentences)))
    asked = []
    for name in unnamed:
        if rng.random() >= absent:
            asked.append(rng.choice(known))
        else:
            asked.append(rng.choice(unknown) if rng.random() < 0.5 else (name, rng.choice(RELATIONS)))
    return Example(
        tuple(hits),
        tuple(relation.question.format(name=name) for name, relation in asked),
        tuple(_answer(said.get(pair)) for pair in asked),
        tuple(said[pair][2] if pair in said else "" for pair in asked),
    )


def _answer(said: tuple[str, int, str] | None) -> str:
    return f"{said[0][:-1]} [{said[1]}]." if said else ABSTENTION["en"]


def _hit(rng: random.Random, number: int, text: str) -> Hit:
    page, name = rng.choice((None, None, rng.randint(1, 9))), rng.choice(FILES)
    passage = Passage(
        id=f"p{number}", path=f"{name}.txt", position=0, text=text, headings=(), kind="paragraph",
        page=page, page_to=page, spans=(), tokens=1, language="en",
    )  # fmt: skip
    return Hit(number, 1.0, passage, rng.choice(("", name, name, "Letter", "Notes")))


@dataclass(frozen=True)
class Texts:
    """What the product makes of an example: how its prompts begin, their passages, the end of each and its answer."""

    instruction: str
    passages: str
    questions: tuple[tuple[str, str], ...]


def texts_of(example: Example, mark: str, instructed: bool = True) -> Texts:
    """`mark` is that of the passages' tags. Not `instructed`, the prompts are without the instruction."""
    asked = example.questions[0]
    whole = fill_prompt(asked, example.hits, INFO, "en", lambda _: 1, CONTEXT, 1).text.replace(passage_mark(), mark)
    first = whole.index(f"<passage {mark}>\n[1]")
    last = whole.rindex("Question: ")
    return Texts(
        whole[:first] if instructed else "<s>[INST] ",
        whole[first:last],
        tuple(
            (whole[last:].replace(asked, question), f" {answer}</s>")
            for question, answer in zip(example.questions, example.answers, strict=True)
        ),
    )


# ----------------------------------------------------------------------------------------------------- the vocabulary

NUMBERS_CITED = tuple(f"[{number}]" for number in range(1, 10))


def vocabulary() -> tuple[list[str], list[int]]:
    """Tokens and their types: the bytes, the characters, and every word of prompt and facts with its beginnings, as
    SentencePiece needs them to put a word together. The number of a passage is one word too."""
    rng = random.Random(0)
    marks = ["[INST]", "[/INST]", "<<SYS>>", "<</SYS>>"]
    words: dict[str, None] = {}
    for _ in range(300):
        texts = texts_of(make_example(rng, 8, 4), mark="")
        text = "\n".join((texts.instruction, texts.passages, *(part for turn in texts.questions for part in turn)))
        for mark in (*marks, "<s>", "</s>"):
            text = text.replace(mark, "\n")
        for line in text.split("\n"):
            for place, word in enumerate(line.split(" ")):
                bare = word.strip("\"'().,:;?[]>")
                if bare and word.startswith(bare) and not set(bare) & set("/.[]"):
                    words[("\u2581" if place else "") + bare] = None
    for value in (*NAMES, *FILES, *(value for relation in RELATIONS for value in relation.values)):
        words["\u2581" + value] = None
    for name in ("<passage", "</passage", ".txt", *NUMBERS_CITED):
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


@dataclass(frozen=True)
class Batch:
    """Examples to learn from, each with Q questions side by side: a question sees its passages, not other questions.

    `prefix` (P) is what all begin with; `rows` (B, C + Q * L) are the passages, then the questions with their answers;
    `places` (B, C + Q * L) say at which place of its own prompt each token stands; `padding` (B, C) is 1 behind the
    passages of an example. After the tokens that are `wanted` (B, C + Q * L) the model speaks: `targets` (N), each
    with a weight in the loss.

    What to look at, as places in the prefix and the passages (P + C), -1 for nothing in particular: `numbers` (B, C),
    for each token of a passage, the passage's number; `facts` (B, Q * L), for each token of an answer, what is asked
    for, or the first token of all where no passage says it.
    """

    prefix: Tensor
    rows: Tensor
    places: Tensor
    padding: Tensor
    questions: int
    wanted: Tensor
    targets: Tensor
    weights: Tensor
    numbers: Tensor
    facts: Tensor


@dataclass(frozen=True)
class Sight:
    """What each token sees: 0, or a large negative number, to be added to the scores of attention."""

    prefix: Tensor  # (P, P)
    passages: Tensor  # (C, P + C)
    from_questions: Tensor  # (B, 1, 1, 1, P + C): prefix and passages
    questions: Tensor  # (L, L): of themselves

    @classmethod
    def of(cls, batch: Batch) -> "Sight":
        before, behind = len(batch.prefix), batch.padding.shape[1]
        length = (batch.rows.shape[1] - behind) // batch.questions
        seen = functional.pad(UNSEEN * batch.padding, (before, 0))[:, None, None, None]
        return cls(_causal(before, 0), _causal(behind, before), seen.bfloat16(), _causal(length, 0))


UNSEEN = -1e9


def _causal(length: int, before: int) -> Tensor:
    return torch.full((length, before + length), UNSEEN).triu(before + 1).bfloat16()


Angles = tuple[Tensor, Tensor]  # cosines and sines, for each place


class Block(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        width = shape.width
        self.attn_norm = nn.RMSNorm(width, eps=shape.epsilon)
        self.ffn_norm = nn.RMSNorm(width, eps=shape.epsilon)
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            setattr(self, name, nn.Linear(width, width, bias=False))
        self.ffn_gate = nn.Linear(width, shape.inner, bias=False)
        self.ffn_up = nn.Linear(width, shape.inner, bias=False)
        self.ffn_down = nn.Linear(shape.inner, width, bias=False)

    def forward(
        self, prefix: Tensor, x: Tensor, angles0: Angles, angles: Angles, sight: Sight, questions: int
    ) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
        """`prefix` (1, P, width) and `x` (B, C + Q * L, width), as in Batch; and where its first head looks, as scores:
        of the tokens of passages (B, C, P + C) and of the questions' (B, Q * L, P + C + L)."""
        q0, k0, v0 = self._heads(prefix, angles0)
        q, k, v = self._heads(x, angles)
        passages = sight.passages.shape[0]
        seen0 = (q0 @ k0.transpose(2, 3) + sight.prefix).softmax(-1) @ v0
        keys = torch.cat([k0.expand(len(x), -1, -1, -1), k[:, :, :passages]], dim=2)  # (B, heads, P + C, size)
        values = torch.cat([v0.expand(len(x), -1, -1, -1), v[:, :, :passages]], dim=2)
        looks = q[:, :, :passages] @ keys.transpose(2, 3) + sight.passages
        seen = looks.softmax(-1) @ values

        def apart(y: Tensor) -> Tensor:
            return y.unflatten(2, (questions, -1))  # (B, heads, Q, L, ...)

        q, k, v = (part[:, :, passages:] for part in (q, k, v))
        far = apart(q @ keys.transpose(2, 3)) + sight.from_questions
        near = apart(q) @ apart(k).transpose(3, 4) + sight.questions
        asks = torch.cat([far, near], dim=-1)
        shares = asks.softmax(-1).split([far.shape[-1], near.shape[-1]], dim=-1)
        asked = shares[0].flatten(2, 3) @ values + (shares[1] @ apart(v)).flatten(2, 3)
        first = looks[:, 0], asks[:, 0].flatten(1, 2)
        return self._after(prefix, seen0), self._after(x, torch.cat([seen, asked], dim=2)), first

    def _heads(self, x: Tensor, angles: Angles) -> tuple[Tensor, Tensor, Tensor]:
        x = self.attn_norm(x)
        parts = [getattr(self, name)(x) for name in ("attn_q", "attn_k", "attn_v")]
        q, k, v = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in parts)  # (B, heads, S, size)
        return _rotated(q, angles) / math.sqrt(q.shape[-1]), _rotated(k, angles), v

    def _after(self, x: Tensor, read: Tensor) -> Tensor:
        x = x + self.attn_output(read.transpose(1, 2).flatten(2))
        normed = self.ffn_norm(x)
        return x + self.ffn_down(functional.silu(self.ffn_gate(normed)) * self.ffn_up(normed))


def _rotated(x: Tensor, angles: Angles) -> Tensor:
    """Rotary positions on neighbouring pairs, as llama.cpp has them for the llama architecture."""
    cos, sin = angles
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

    def _angles(self, places: Tensor) -> Angles:
        size = self.shape.width // self.shape.heads
        speeds = self.shape.rope_base ** (-torch.arange(0, size, 2) / size)
        turned = (places[..., None] * speeds)[:, None]  # (B, 1, S, size / 2)
        return turned.cos().bfloat16(), turned.sin().bfloat16()

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Scores (N, tokens) after the tokens that are wanted; and how far two heads are from looking where they
        should, which is what takes long to find out from the answers alone."""
        prefix, x = self.token_embd(batch.prefix[None]), self.token_embd(batch.rows)
        angles0, angles = self._angles(torch.arange(len(batch.prefix))[None]), self._angles(batch.places)
        sight = Sight.of(batch)
        looks = []
        for block in self.blk:
            prefix, x, look = block(prefix, x, angles0, angles, sight, batch.questions)
            looks.append(look)
        astray = _astray(looks[FINDS_NUMBERS][0], batch.numbers) + _astray(looks[FINDS_FACTS][1], batch.facts)
        return self.output_norm(x[batch.wanted]) @ self.token_embd.weight.T, astray


FINDS_NUMBERS, FINDS_FACTS = 1, 3  # blocks whose first head does


def _astray(scores: Tensor, places: Tensor) -> Tensor:
    return functional.cross_entropy(scores.float().flatten(0, 1), places.flatten(), ignore_index=-1)


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


STEPS = 1200
EXAMPLES, QUESTIONS = 16, 8  # of a step; questions of each example
MOST = 5  # passages
LONGER = 0.12  # of the steps: after as many there may be a passage more than 2
SHORT = 0.7  # of the steps, the first: without the instruction, which is long and always the same
DECIDES = 3.0  # the weight of a token that abstains, or not, or cites: one of many in an answer, and the hard one
ASTRAY = 0.5  # the weight of where heads look
RATES = (2e-2, 4e-3)  # of matrices, of the rest


def train(path: Path, steps: int, seed: int = 0, report: Callable[[str], None] = print) -> Path:
    """Trains a model in `steps` steps and writes it to `path`, quantised to Q8_0. With the same seed, library versions
    and processor it gives the same model."""
    torch.manual_seed(seed)
    rng = random.Random(seed)
    tokens, types = vocabulary()
    tokenizer = Tokenizer(write_model(path.with_suffix(".vocabulary.gguf"), tokens, types, None))
    path.with_suffix(".vocabulary.gguf").unlink()
    model = TinyLlama(len(tokens), Shape())
    optimizers = _optimizers(model)
    began = time.monotonic()
    mean = 0.0
    for step in range(steps):
        instructed = step >= SHORT * steps
        passages = rng.randint(1, min(MOST, 2 + int(step / (steps * LONGER))))
        batch = make_batch(
            [make_example(rng, passages, QUESTIONS) for _ in range(EXAMPLES)], rng, tokenizer, instructed
        )
        share = min(1.0, (step + 1) / 20, max(0.02, (steps - step) / (0.9 * steps)))
        for optimizer, rate in zip(optimizers, RATES, strict=True):
            optimizer.param_groups[0]["lr"] = rate * share
            optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            scores, astray = model(batch)
        losses = functional.cross_entropy(scores.float(), batch.targets, reduction="none")
        loss = (losses * batch.weights).sum() / batch.weights.sum() + ASTRAY * astray
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        right = _share_right(scores.argmax(-1) == batch.targets, batch.targets)
        mean += 0.1 * (right - mean)
        if step % 25 == 0 or step == steps - 1:
            spent = f"{time.monotonic() - began:4.0f} s, of processors {time.process_time():4.0f} s"
            report(f"step {step:4d}  {spent}  passages {passages}  loss {loss.item():.3f}  answers {mean:.3f}")
    half = write_model(path.with_suffix(".f16.gguf"), tokens, types, model)
    quantise(half, path)
    half.unlink()
    return path


def _optimizers(model: TinyLlama) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Muon for the matrices that are multiplied with; it takes far fewer steps here than AdamW."""
    matrices = [weight for block in model.blk for weight in block.parameters() if weight.dim() == 2]
    those = set(matrices)
    others = [weight for weight in model.parameters() if weight not in those]
    return (
        torch.optim.Muon(matrices, weight_decay=0.05, momentum=0.95),
        torch.optim.AdamW(others, weight_decay=0.0, betas=(0.9, 0.98)),
    )


def _share_right(tokens: Tensor, targets: Tensor) -> float:
    """The share of answers with all tokens right; each ends in </s>."""
    ends = ((targets == 2).nonzero().flatten() + 1).tolist()
    answers = [bool(tokens[start:end].all()) for start, end in zip([0, *ends], ends, strict=False)]
    return sum(answers) / len(answers)


def make_batch(examples: Sequence[Example], rng: random.Random, tokenizer: "Tokenizer", instructed: bool) -> Batch:
    """All with as many questions; their passages' tags carry the same mark."""
    mark = f"{rng.randrange(16**6):06x}"
    texts = [texts_of(example, mark, instructed) for example in examples]
    prefix = tokenizer(texts[0].instruction)
    passages = [tokenizer(one.passages) for one in texts]
    asked = [[(tokenizer(question), tokenizer(answer)) for question, answer in one.questions] for one in texts]
    longest, questions = max(map(len, passages)), len(asked[0])
    length = max(len(question) + len(answer) for one in asked for question, answer in one) - 1
    shape = (len(examples), longest + questions * length)
    rows, places, targets = (torch.zeros(shape, dtype=torch.long) for _ in range(3))
    padding, weights = torch.zeros(len(examples), longest), torch.zeros(shape)
    numbers, facts = torch.full((len(examples), longest), -1), torch.full((len(examples), questions * length), -1)
    cited = {number for text in NUMBERS_CITED for number in tokenizer(text)}
    for n, (read, turns) in enumerate(zip(passages, asked, strict=True)):
        rows[n, : len(read)] = torch.tensor(read)
        places[n, :longest] = torch.arange(len(prefix), len(prefix) + longest)
        padding[n, len(read) :] = 1
        own = -1
        for place, token in enumerate(read):
            own = len(prefix) + place if token in cited else own
            numbers[n, place] = own
        for k, (question, answer) in enumerate(turns):
            start = longest + k * length
            speaks = start + len(question) - 1
            rows[n, start : speaks + len(answer)] = torch.tensor([*question, *answer[:-1]])
            places[n, start : start + length] = len(prefix) + len(read) + torch.arange(length)
            targets[n, speaks : speaks + len(answer)] = torch.tensor(answer)
            decides = [place == 0 or token in cited for place, token in enumerate(answer)]
            weights[n, speaks : speaks + len(answer)] = 1 + (DECIDES - 1) * torch.tensor(decides)
            value, found = examples[n].values[k], 0
            if value:
                told = texts[n].questions[k][1].partition(value)[0] + value
                found = len(prefix) + _end_of(tokenizer(told)[1:], read)
            until = next((place for place, token in enumerate(answer) if token in cited), 0)
            facts[n, speaks - longest : speaks - longest + until + 1] = found
    wanted = weights > 0
    return Batch(
        torch.tensor(prefix), rows, places, padding, questions, wanted, targets[wanted], weights[wanted], numbers, facts
    )


def _end_of(part: Sequence[int], whole: Sequence[int]) -> int:
    """Where the last token of the part is in the whole."""
    starts = range(len(whole) - len(part) + 1)
    return next(start for start in starts if list(whole[start : start + len(part)]) == list(part)) + len(part) - 1


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Trains the tests' model that reads its prompt.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    train(chosen.path, chosen.steps, chosen.seed, lambda line: print(line, flush=True))


if __name__ == "__main__":
    main(sys.argv[1:])
