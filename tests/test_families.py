"""The pages of the catalogue's families."""

from __future__ import annotations

import pydoc
from types import ModuleType

import pytest

import lawfit as lf


@pytest.mark.parametrize("family", lf.laws.families)
def test_pages_show_every_law(family: str) -> None:
    text = lf.families.page(family)
    assert max(map(len, text.splitlines())) < 330  # only formulas are not wrapped
    for law in lf.laws.search(family=family):
        assert f"\n{law.id}: {law.title}\n" in text and law.formula in text
        for name in law.names:
            assert f"\n  {name}: " in text
        assert all(f"published for {known.label.split()[0]}" in text for known in law.published)


def test_help_shows_a_page() -> None:
    page = lf.families.allocation
    assert isinstance(page, ModuleType) and page is lf.families.allocation
    shown = pydoc.plain(pydoc.render_doc(page))
    assert "chinchilla_N_opt: Compute-optimal size of the Chinchilla law" in shown
    assert set(lf.laws.families) <= set(dir(lf.families)) and lf.families.PAGES == lf.laws.families


def test_no_such_page() -> None:
    with pytest.raises(AttributeError, match="alocation"):
        _ = lf.families.alocation
    with pytest.raises(KeyError, match="did you mean 'allocation'"):
        lf.families.page("alocation")
    with pytest.raises(ValueError, match="only laws of the catalogue"):
        lf.families.describe(lf.Law("a*x", ["x"]))
