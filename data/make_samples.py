"""Makes the samples that are not written by hand, the same bytes every time:

    .venv/bin/python data/make_samples.py [FOLDER]

Their texts lie in data/sample_maker/texts.
"""

import sys
from pathlib import Path

from sample_maker import make_samples

SAMPLES = Path(__file__).resolve().parent / "samples"

if __name__ == "__main__":
    make_samples(Path(sys.argv[1]) if sys.argv[1:] else SAMPLES)
