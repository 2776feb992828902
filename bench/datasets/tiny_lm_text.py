"""The text of the ``tiny_lm`` campaign: a dictionary of English, as symbols of a small alphabet."""

import gzip
import hashlib
import json
import re
import subprocess
import unicodedata

import numpy as np

PACKAGE = "dict-gcide"  # GNU Collaborative International Dictionary of English (Webster 1913)
DICTIONARY = "usr/share/dictd/gcide.dict.dz"
ALPHABET = "\n" + "".join(chr(c) for c in range(32, 127))  # 96 characters
START = len(ALPHABET)  # one more symbol opens every sequence
CONTEXT = 64  # characters a model sees
BLOCK = 1024  # characters: the text is divided into training and held-out blocks
HELD_OUT_BLOCKS = 768
SOURCE_TAG = re.compile(r"\[(1913 Webster|PJC|WordNet 1\.5|Century Dict|Webster 1913)[^\]]*\]")


def fetch_dictionary(out):
    """Download and unpack the Debian package; return the dictionary's path and its version."""
    folder = out / "package"
    if not (folder / DICTIONARY).exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", PACKAGE], cwd=folder, check=True)
        subprocess.run(["dpkg-deb", "-x", str(next(folder.glob("*.deb"))), str(folder)], check=True)
    deb = next(folder.glob("*.deb"))
    version = subprocess.run(["dpkg-deb", "-f", str(deb), "Version"], check=True,
                             capture_output=True, text=True).stdout.strip()
    return folder / DICTIONARY, version


def normalise(text):
    """Plain paragraphs: accents and source tags dropped, runs of white space joined."""
    text = unicodedata.normalize("NFKD", text)
    text = text.encode("ascii", "ignore").decode("ascii")
    text = SOURCE_TAG.sub("", text)
    paragraphs = (" ".join(p.split()) for p in re.split(r"\n\s*\n", text))
    return "\n".join(p for p in paragraphs if p)


def load_text(out, dictionary=None):
    """Symbols as ``(training [n, 64], held_out [m, 64], metadata)``; cached in the out folder."""
    cache = out / "text.npz"
    if not cache.exists():
        path, version = (dictionary, "given by hand") if dictionary else fetch_dictionary(out)
        raw = gzip.decompress(path.read_bytes())
        text = normalise(raw.decode("utf-8", "ignore"))
        table = np.zeros(128, np.uint8)
        table[[ord(c) for c in ALPHABET]] = np.arange(len(ALPHABET))
        # Tabs and the like cannot be left: split() has removed all white space but the blanks.
        plain = "".join(c for c in text if c == "\n" or " " <= c <= "~")
        symbols = table[np.frombuffer(plain.encode("ascii"), np.uint8)]
        meta = {"package": PACKAGE, "version": version, "characters": len(symbols),
                "sha256_source": hashlib.sha256(raw).hexdigest(),
                "sha256_text": hashlib.sha256(plain.encode("ascii")).hexdigest()}
        np.savez(cache, symbols=symbols, meta=json.dumps(meta))
    with np.load(cache) as stored:
        symbols, meta = stored["symbols"], json.loads(str(stored["meta"]))
    blocks = symbols[:len(symbols) // BLOCK * BLOCK].reshape(-1, BLOCK)
    order = np.random.default_rng(20240229).permutation(len(blocks))
    held_out = blocks[order[:HELD_OUT_BLOCKS]].reshape(-1, CONTEXT)
    training = blocks[order[HELD_OUT_BLOCKS:]].reshape(-1, CONTEXT)
    meta |= {"training_tokens": training.size, "held_out_tokens": held_out.size}
    return training, held_out, meta
