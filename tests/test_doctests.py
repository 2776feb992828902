"""Every example in the docstrings of the installed package."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import lawfit

MODULES = ["lawfit"] + [
    module.name for module in pkgutil.walk_packages(lawfit.__path__, "lawfit.")
    if not module.name.rpartition(".")[2].startswith(("_core", "_cpu", "__main__"))
]


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    examples = [
        example for name in MODULES for test in finder.find(importlib.import_module(name))
        for example in test.examples
    ]
    assert len(examples) > 100
