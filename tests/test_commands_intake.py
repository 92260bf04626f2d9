"""`import_calls`: its JSON, its exit codes, and the sheets of a workbook."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from calls.models import Batch
from tests.intake.samples import SAMPLE
from tests.intake.workbooks import workbook

pytestmark = pytest.mark.django_db

SHEET = [list(SAMPLE), list(SAMPLE.values())]


def run(path: Path, **options: Any) -> tuple[int, dict[str, Any]]:
    out = io.StringIO()
    with pytest.raises(SystemExit) as caught:
        call_command("import_calls", path, json=True, stdout=out, **options)
    return int(caught.value.code or 0), json.loads(out.getvalue())


def test_a_workbook_is_imported_like_a_csv_file(tmp_path: Path) -> None:
    path = tmp_path / "calls.xlsx"
    path.write_bytes(workbook(SHEET))
    code, result = run(path)
    assert (code, result["accepted"], result["rejected"]) == (0, 1, 0)


def test_of_several_sheets_one_must_be_named(tmp_path: Path) -> None:
    path = tmp_path / "calls.xlsx"
    path.write_bytes(workbook({"March": SHEET, "April": SHEET}))
    code, result = run(path)
    assert (code, result["problems"][0]["code"]) == (2, "several_sheets")
    assert "March" in result["problems"][0]["message"]
    assert not Batch.objects.exists()
    assert run(path, sheet="April")[0] == 0
