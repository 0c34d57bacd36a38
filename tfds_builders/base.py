"""What all builders share: storage, features, a folder that is checked before it is read."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from fsketch.data import checks


class FacesBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Face images stored as array_record, in a fixed order.

    A subclass sets `pkg_dir_path` (the folder of its README.md and CITATIONS.bib) and VERSION.  One
    that reads a folder also sets MANUAL_DOWNLOAD_INSTRUCTIONS and `check`, a static function
    (folder, BuilderConfig or None, checks.Report) -> whatever `checked` is to return.
    """

    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012, the form TFDS reads
    HOMEPAGE = None
    aligned = False  # whether faces are aligned by the eyes, so that a check can look
    # The ClassLabel that says in which style a sketch is drawn, and what begins that style's name.
    drawn_by: tuple[str, str] | None = None

    def __init__(
        self,
        *,
        data_dir: str | None = None,
        config: str | tfds.core.BuilderConfig | None = None,
        version: str | None = None,
        file_format: str = "array_record",  # TFDS' own default needs TensorFlow
    ) -> None:
        super().__init__(data_dir=data_dir, config=config, version=version, file_format=file_format)

    def features(self) -> dict[str, Any]:
        """The features of an example by name: those of a pair, unless a subclass has others."""
        return {
            "photo": image(3),
            "sketch": image(1),
            "id": tfds.features.Text(),
            "identity": tfds.features.Scalar(np.int64),
        }

    def _info(self) -> tfds.core.DatasetInfo:
        info = self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(self.features()),
            supervised_keys=None,
            homepage=self.HOMEPAGE,
            disable_shuffling=True,
        )
        # TFDS would look for these data on a server, and leave an empty temporary folder each time.
        info.initialize_from_bucket = lambda: None
        return info

    def checked(self, dl_manager: tfds.download.DownloadManager) -> Any:
        """What `check` returns for the folder; raises DataError with all its problems at once."""
        report = checks.Report(Path(dl_manager.manual_dir).resolve())
        found = self.check(report.root, self.builder_config, report)
        report.close()
        return found


def image(channels: int) -> tfds.features.Image:
    """An image of any size, stored without loss."""
    return tfds.features.Image(shape=(None, None, channels), encoding_format="png")


def pair(
    row: checks.Row, *, identity: int, background: int | None = None, **more: Any
) -> dict[str, Any]:
    """The example of a pair: its images as PNG; background: as in `checks.png`."""
    return {
        "photo": checks.png(row.photo, mode="RGB", background=background),
        "sketch": checks.png(row.sketch, mode="L", background=background),
        "id": row.id,
        "identity": identity,
        **more,
    }
