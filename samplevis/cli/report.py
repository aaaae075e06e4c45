"""samplevis report and samplevis sheet: saved runs on a page, and in one image."""

from __future__ import annotations

import argparse
import os

from samplevis.cli.loading import check_picture_path, load_samples
from samplevis.cli.shared_flags import add_command, add_scale

RUN = "samples.npz, or the folder that contains it"


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Adds both commands."""
    report = add_command(commands, "report", "write an HTML report for a saved run", write_report)
    report.add_argument("source", metavar="run", help=RUN)
    report.add_argument("--out", metavar="FILE", help="HTML file to write (default: report.html beside the run)")
    report.add_argument("--title", metavar="TEXT", help="name of the unit for readers (default: the objective)")
    report.add_argument(
        "--other-end", metavar="RUN", help="run of the same density from the other start, made with --init prior"
    )
    report.add_argument("--draws", type=int, default=6, metavar="N", help="draws shown per chain (default: 6)")

    sheet = add_command(commands, "sheet", "combine saved runs into one image, one row per unit", write_sheet)
    sheet.add_argument("runs", nargs="+", metavar="run", help=RUN)
    sheet.add_argument("--out", required=True, metavar="FILE", help="picture to write, .png, .webp or .jpg")
    sheet.add_argument("--draws", type=int, default=6, metavar="N", help="maximum of draws shown per run (default: 6)")
    add_scale(sheet, "the image")


def write_report(options: argparse.Namespace) -> None:
    """Writes the page of a run."""
    folder = options.source if os.path.isdir(options.source) else os.path.dirname(options.source)
    out = options.out or os.path.join(folder, "report.html")
    samples, other_end = (run and load_samples(run) for run in (options.source, options.other_end))
    samples.report(out, options.title, other_end=other_end, draws=options.draws)
    print(f"{samples.summary().verdict}\nOpen {out}")


def write_sheet(options: argparse.Namespace) -> None:
    """Writes the image of several runs."""
    check_picture_path(options.out, "out")
    runs = list(map(load_samples, options.runs))
    from samplevis import export, recipes

    sheet = recipes.sample_sheet(runs, draws=options.draws, scale=options.scale)
    export.save_image(sheet, options.out)
    print(f"wrote {options.out}")
