"""Checks of a folder of photo-sketch pairs before it becomes a data set.

Every function adds its findings to a `Report`, and `Report.close` raises one `DataError` with all
of them: a user repairs a folder in one go.  Only debris (`core.names.is_debris`) is skipped and
counted; nothing is repaired.  Image sizes are written width x height, in pixels; points are (x, y)
from the upper left corner.
"""

# ruff: noqa: F401, what others call

from fsketch.data.checks.decoding import (
    FORMATS,
    Look,
    decode,
    encode,
    inspect,
    pixels,
    png,
)
from fsketch.data.checks.folders import (
    Row,
    check_ids_unique,
    files_by_stem,
    first_use,
    person_ids,
    persons,
    read_table,
    rows_in,
)
from fsketch.data.checks.report import SECTIONS, Report, check_name
from fsketch.data.checks.sets import (
    EYE_PHOTOS,
    EYES,
    NEAR_BITS,
    check_eyes,
    check_images,
    near_duplicates,
    remark,
)
