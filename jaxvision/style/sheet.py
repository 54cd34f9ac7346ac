"""Pictures side by side with what they are, as a photographer's contact sheet."""

from collections.abc import Sequence

from jaxvision.inspect.picture import Picture as Paper
from jaxvision.inspect.picture import house_style
from jaxvision.style.picture import Picture

GAP, HEADING = 0.08, 0.3  # inches


@house_style
def contact_sheet(
    rows: Sequence[Sequence[Picture | None]],
    columns: Sequence[str] = (),
    labels: Sequence[str] = (),
    width: float = 2.4,
) -> Paper:
    """Draws rows of pictures; None leaves a place empty.

    Args:
        rows: of pictures, all rows of one length.
        columns: what stands above each column.
        labels: what stands left of each row.
        width: of a column, in inches.

    Raises:
        ValueError: if rows, columns or labels are of different lengths, or there is no picture.
    """
    lengths = {len(row) for row in rows}
    if len(lengths) != 1 or not any(picture is not None for row in rows for picture in row):
        raise ValueError(f"`rows` must be of one length and hold pictures, got lengths {lengths}.")
    (length,) = lengths
    if (columns and len(columns) != length) or (labels and len(labels) != len(rows)):
        raise ValueError(
            f"`columns` and `labels` must be one a column and a row, got {len(columns)} and "
            f"{len(labels)} for {length} and {len(rows)}."
        )
    heights = [
        max(each.shape[0] / each.shape[1] for each in row if each is not None) * width
        if any(each is not None for each in row)
        else 0.0
        for row in rows
    ]
    left = HEADING if labels else 0.0
    across = left + length * width + (length - 1) * GAP
    top = HEADING if columns else 0.0
    up = top + sum(heights) + (len(rows) - 1) * GAP
    paper = Paper(figsize=(across, up))
    bottom = up - top
    for i, (row, height) in enumerate(zip(rows, heights, strict=True)):
        bottom -= height
        for j, picture in enumerate(row):
            start = left + j * (width + GAP)
            if i == 0 and columns:
                paper.text(
                    (start + width / 2) / across,
                    1 - top / 2 / up,
                    columns[j],
                    ha="center",
                    va="center",
                )
            if picture is not None:
                own = width * picture.shape[0] / picture.shape[1]
                axes = paper.place(start, bottom + (height - own) / 2, width, own)
                axes.imshow(picture, interpolation="antialiased", aspect="auto")
                axes.set_axis_off()
        if labels:
            middle = (bottom + height / 2) / up
            paper.text(left / 2 / across, middle, labels[i], rotation=90, ha="center", va="center")
        bottom -= GAP
    return paper
