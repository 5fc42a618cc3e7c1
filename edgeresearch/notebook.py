"""Notebooks as batch jobs: run with checked parameters, in this interpreter, leaving a whole file or none."""

import ast
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, TYPE_CHECKING, Any

from edgeresearch import parallel
from edgeresearch.errors import InputError, RunError, nearest
from edgeresearch.io import atomic, write_text

if TYPE_CHECKING:
    from jupyter_client.manager import KernelManager
    from nbformat import NotebookNode

WORDS = {"yes": True, "on": True, "no": False, "off": False}
"""What else people write for true and false."""


def find(name: str | Path, folder: Path = Path("notebooks")) -> Path:
    """Find a notebook by its path or by its name in `folder`, with or without `.ipynb`."""
    for path in (Path(name), folder / f"{name}.ipynb", folder / name):
        if path.is_file():
            return path
    known = sorted(each.stem for each in folder.glob("*.ipynb"))
    hint = nearest(Path(name).stem, known) or f"; known: {', '.join(known) or 'none'}"
    raise InputError(f"no notebook {name}, neither as a path nor in {folder}/{hint}")


def declared(path: str | Path) -> dict[str, str]:
    """The parameters that a notebook declares: names and defaults, as written in its cell tagged `parameters`.

    Raises:
        InputError: The file is not a notebook, or the cell is not plain Python.
    """
    cells = [cell for cell in _read(Path(path)).cells if "parameters" in cell.metadata.get("tags", [])]
    if not cells:
        return {}
    try:
        tree = ast.parse(cells[0].source)
    except SyntaxError as error:
        raise InputError(f"{path}: the cell tagged 'parameters' is not plain Python: {error.msg}") from error
    found: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id: ast.unparse(node.value) for target in targets if isinstance(target, ast.Name)}
    return found


def find_texts(name: str | Path) -> set[str]:
    """The parameters of a notebook (see `find`) whose defaults are text."""
    return {each for each, default in declared(find(name)).items() if _kind(_value(default)) == "text"}


def run(
    name: str | Path, out: str | Path, parameters: Mapping[str, Any] | None = None, html: str | Path | None = None
) -> Path:
    """Run a notebook with the given parameters and write the executed copy, also as a page if that is wanted.

    The kernel is this interpreter, whatever kernels a user has installed, and works in the current folder. Where a
    cell fails, the copy with its trace is kept beside `out` as `NAME.failed.ipynb`, and `out` is left as it was.

    Args:
        name: Path of a notebook, or its name in `notebooks/`.
        out: Where the executed copy goes.
        parameters: Values by name; each must be declared in the notebook's cell tagged `parameters`. Where a default is
            text, a number, a list, or true or false, a value must be of that kind, too; `yes`, `on`, `no` and `off`
            are true or false.
        html: Where the executed copy goes as a page that needs no network, if anywhere.

    Returns:
        The path of the executed copy.

    Raises:
        InputError: There is no such notebook, it does not declare a parameter, or `out` or `html` cannot be written.
        RunError: A cell failed, or the kernel died.
    """
    source, target = find(name), Path(out)
    if target.suffix != ".ipynb":
        raise InputError(f"the executed copy of a notebook cannot be named {target}; end its name with .ipynb")
    if html is not None and Path(html).suffix != ".html":
        raise InputError(f"the page of a notebook cannot be named {html}; end its name with .html")
    values = _checked(source, parameters or {})
    failed = target.with_suffix(".failed.ipynb")
    with atomic(target) as draft:
        fault = _execute(source, draft, values)
        if fault:
            draft.chmod(0o644)
            draft.replace(failed)
            raise RunError(f"notebook {source.stem}, {fault} is in {failed}")
        if html is not None:
            from edgeresearch.papers.report.notebook_page import render_page

            write_text(render_page(_read(draft), Path(html).stem), html)
    failed.unlink(missing_ok=True)
    return target


def run_all(
    folder: Path,
    out: Path,
    html: Path,
    parameters: Mapping[str, Any],
    traces: Mapping[str, Sequence[str]],
    workers: int,
) -> int:
    """Run every notebook of a folder, several at a time, and return how many runs that were.

    Args:
        folder: Where the notebooks lie.
        out: Where the executed copies go, as `NAME.ipynb` or `NAME-TRACE.ipynb`.
        html: Where their pages go.
        parameters: Each is passed to the notebooks that declare it.
        traces: By the name of a notebook, the values of its parameter `trace`: one run for each.
        workers: Processes.

    Raises:
        InputError: As `run`.
        RunError: As `run`; the others are ended.
    """
    import papermill  # noqa: F401  # once, for all workers
    from nbconvert.exporters import HTMLExporter  # noqa: F401

    tasks: list[parallel.Task] = []
    for path in sorted(folder.glob("*.ipynb"), reverse=True):  # the last ones take longest
        known = declared(path)
        given = {name: value for name, value in parameters.items() if name in known}
        cases = {f"{path.stem}-{trace}": {"trace": trace} for trace in traces.get(path.stem, [])} or {path.stem: {}}
        for name, case in cases.items():
            tasks.append((run, (path, out / f"{name}.ipynb", given | case, html / f"{name}.html"), {}))
    if not tasks:
        raise InputError(f"no notebook in {folder}; start in the folder of a checkout")
    parallel.run(tasks, workers)
    return len(tasks)


def _read(path: Path) -> "NotebookNode":
    import nbformat

    try:
        notebook: NotebookNode = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
        return notebook
    except OSError as error:
        raise InputError(f"cannot read notebook {path}: {error.strerror}; name another") from error
    except (ValueError, AttributeError, nbformat.ValidationError) as error:  # the second for JSON of another kind
        raise InputError(f"{path} is not a notebook: {str(error).splitlines()[0][:200]}") from error


def _checked(path: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    known, values = declared(path), dict(given)
    for name, value in given.items():
        if name not in known:
            hint = nearest(name, known) or f"; declared: {', '.join(known) or 'none'}"
            raise InputError(f"notebook {path.stem} declares no parameter {name!r}{hint}")
        wanted, kind = _kind(_value(known[name])), _kind(value)
        if wanted == "true or false" and str(value).lower() in WORDS:
            values[name] = WORDS[str(value).lower()]
        elif wanted and kind and wanted != kind:
            what = f"{name} is {value!r}, {kind}; notebook {path.stem} declares {known[name]}"
            raise InputError(f"{what}: give {wanted}")
    return values


def _kind(value: Any) -> str:
    """What a value is: a number, text, a list, or true or false; "" where it is none of these."""
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, list | tuple):
        return "a list"
    return "text" if isinstance(value, str) else "a number" if isinstance(value, int | float) else ""


def _value(default: str) -> Any:
    """The value of a default as written; None where it takes a computation."""
    try:
        return ast.literal_eval(default)
    except ValueError:
        return None


def _execute(source: Path, draft: Path, values: Mapping[str, Any]) -> str:
    """Run `source` into `draft`; what went wrong, and the begin of what the draft has of it, or nothing."""
    import papermill

    with TemporaryFile() as complaints, TemporaryDirectory(prefix="edgeresearch-ipython-") as profile:
        try:
            papermill.execute_notebook(
                source,
                draft,
                parameters=values,
                kernel_name="python3",
                language="python",
                progress_bar=sys.stderr.isatty(),
                kernel_manager_class=_this_interpreter(complaints, profile),
            )
        except papermill.PapermillExecutionError as error:
            last = f"{error.ename}: {error.evalue}".strip().splitlines()[-1]
            return f"cell {_place(draft, error.exec_count)}: {last}; the full trace"
        except RuntimeError:  # the kernel did not start, or died
            complaints.seek(0)
            lines = complaints.read().decode(errors="replace").split("\n")
            last = next((f" ({line.strip()})" for line in reversed(lines) if line.strip()), "")
            return f"its process crashed, ran out of memory or was killed{last}; what it did until then"
    return ""


def _place(draft: Path, count: int) -> int:
    """Number of a failed cell among all cells of the notebook as its author sees it, from 1."""
    added = {"injected-parameters", "papermill-error-cell-tag"}
    cells = [cell for cell in _read(draft).cells if not added & set(cell.metadata.get("tags", []))]
    return 1 + [cell.get("execution_count") for cell in cells].index(count)


def _this_interpreter(complaints: IO[bytes], profile: str) -> "type[KernelManager]":
    from ipykernel.kernelspec import get_kernel_dict
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class ThisInterpreter(AsyncKernelManager):
        """Starts this interpreter, where the usual manager takes any `python3` kernel that a user has installed."""

        @property
        def kernel_spec(self) -> KernelSpec:
            # Quiet: a kernel reports its own orderly shutdown as an error. What cells print or raise is not affected.
            # A user's own start-up files and windows would make it another job; nor need there be a HOME.
            alike = {"IPYTHONDIR": profile, "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
            return KernelSpec(resource_dir="", env=alike, **get_kernel_dict(["--log-level=CRITICAL"]))

        async def start_kernel(self, **options: Any) -> None:  # type: ignore[override]
            # What a kernel's own parts complain of, also as it ends; what cells write goes to the notebook.
            await super().start_kernel(stderr=complaints, **options)

    return ThisInterpreter
