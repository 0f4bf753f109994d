"""The language server, spoken to by a client over its standard input and output."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pygls")

from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient

ROOT = Path(__file__).parents[1]
WRONG = (ROOT / "fixtures" / "founding_rmsprop.py").read_text(encoding="utf-8")
CODES = ["OPT101", "OPT201", "OPT201"]
LATE = 60.0  # seconds without news, after which a test gives up


class Editor:
    """A client that keeps what the server publishes."""

    def __init__(self) -> None:
        self.client = LanguageClient("editor", "1")
        self.published: dict[str, list[lsp.PublishDiagnosticsParams]] = {}
        self.messages: list[str] = []
        self.watched: list[str] = []
        self.sync: lsp.TextDocumentSyncKind | None = None
        self._news = asyncio.Event()

        @self.client.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def publish(params: lsp.PublishDiagnosticsParams) -> None:
            self.published.setdefault(params.uri, []).append(params)
            self._news.set()

        @self.client.feature(lsp.WINDOW_SHOW_MESSAGE)
        def show(params: lsp.ShowMessageParams) -> None:
            self.messages.append(params.message)
            self._news.set()

        @self.client.feature(lsp.CLIENT_REGISTER_CAPABILITY)
        def register(params: lsp.RegistrationParams) -> None:
            for each in params.registrations:
                options: Any = each.register_options
                self.watched += [watcher["globPattern"] for watcher in options["watchers"]]
            self._news.set()

        @self.client.feature(lsp.WINDOW_LOG_MESSAGE)
        def log(params: lsp.LogMessageParams) -> None:
            pass

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), LATE)

    async def diagnostics(self, uri: str, version: int) -> list[lsp.Diagnostic]:
        """The diagnostics for a version of a document."""

        def told() -> list[lsp.PublishDiagnosticsParams]:
            return [params for params in self.published.get(uri, []) if params.version == version]

        await self.until(lambda: bool(told()))
        return list(told()[-1].diagnostics)

    def open(self, path: Path, text: str) -> str:
        item = lsp.TextDocumentItem(path.as_uri(), lsp.LanguageKind.Python, 1, text)
        self.client.text_document_did_open(lsp.DidOpenTextDocumentParams(item))
        return item.uri

    def change(self, uri: str, version: int, text: str) -> None:
        document = lsp.VersionedTextDocumentIdentifier(version, uri)
        change = lsp.TextDocumentContentChangeWholeDocument(text)
        self.client.text_document_did_change(lsp.DidChangeTextDocumentParams(document, [change]))

    async def actions(self, uri: str, at: lsp.Range, *only: str) -> list[lsp.CodeAction]:
        context = lsp.CodeActionContext([], only=list(only) or None)
        params = lsp.CodeActionParams(lsp.TextDocumentIdentifier(uri), at, context)
        found = await self.client.text_document_code_action_async(params)
        return [action for action in found or () if isinstance(action, lsp.CodeAction)]

    async def hover(self, uri: str, line: int, character: int) -> str:
        params = lsp.HoverParams(lsp.TextDocumentIdentifier(uri), lsp.Position(line, character))
        found = await self.client.text_document_hover_async(params)
        assert found is not None and isinstance(found.contents, lsp.MarkupContent)
        return found.contents.value


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs a coroutine with an editor that is connected to a server of its own."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)

    def run(talk: Callable[[Editor], Awaitable[None]], **capabilities: Any) -> None:
        async def connected() -> None:
            editor = Editor()
            await editor.client.start_io(sys.executable, "-m", "optlint.server", "--stdio")
            params = lsp.InitializeParams(lsp.ClientCapabilities(**capabilities), process_id=os.getpid())
            result = await editor.client.initialize_async(params)
            sync = result.capabilities.text_document_sync
            editor.sync = sync.change if isinstance(sync, lsp.TextDocumentSyncOptions) else sync
            editor.client.initialized(lsp.InitializedParams())
            try:
                await talk(editor)
            finally:
                await editor.client.shutdown_async(None)
                editor.client.exit(None)
                await editor.client.stop()

        asyncio.run(connected())

    return run


def edited(text: str, edits: list[lsp.TextEdit]) -> str:
    """A text with the edits made, of which each counts UTF-16 units."""
    lines = text.split("\n")

    def position(at: lsp.Position) -> int:
        before = sum(len(line) + 1 for line in lines[: at.line])
        units = lines[at.line].encode("utf-16-le")
        return before + len(units[: 2 * at.character].decode("utf-16-le"))

    for edit in sorted(edits, key=lambda edit: position(edit.range.start), reverse=True):
        text = text[: position(edit.range.start)] + edit.new_text + text[position(edit.range.end) :]
    return text


def changes(action: lsp.CodeAction, uri: str) -> list[lsp.TextEdit]:
    assert action.edit is not None and action.edit.changes is not None
    assert list(action.edit.changes) == [uri]
    return list(action.edit.changes[uri])


def test_diagnostics_carry_the_evidence_and_the_rule(session: Callable[..., None], tmp_path: Path) -> None:
    async def talk(editor: Editor) -> None:
        uri = editor.open(tmp_path / "a b.py", WRONG)
        found = await editor.diagnostics(uri, 1)
        assert [diagnostic.code for diagnostic in found] == CODES
        first = found[0]
        assert (first.range.start, first.range.end) == (lsp.Position(23, 59), lsp.Position(23, 100))
        assert first.severity == lsp.DiagnosticSeverity.Error and first.source == "optlint"
        assert first.message.startswith("regularization is added outside the square\nran: step 1 with")
        assert "\nmeant: " in first.message and "\nfixed: " in first.message
        assert first.code_description is not None and first.code_description.href.endswith("outside-square.md")
        assert first.data["verdict"] == "confirmed"

    session(talk)


def test_columns_are_utf_16_units(session: Callable[..., None], tmp_path: Path) -> None:
    text = WRONG.replace(
        'learning_rate * (gradients[f"dW{l}"]', "1 * len('𝛽') * learning_rate * (gradients[f\"dW{l}\"]"
    )
    line = next(line for line in text.split("\n") if "𝛽" in line)

    async def talk(editor: Editor) -> None:
        uri = editor.open(tmp_path / "a.py", text)
        found = await editor.diagnostics(uri, 1)
        (at,) = [d.range for d in found if d.code == "OPT201" and line == text.split("\n")[d.range.start.line]]
        units = line.encode("utf-16-le")[2 * at.start.character : 2 * at.end.character].decode("utf-16-le")
        assert units == line[line.index("gradients") : line.index("epsilon)") + len("epsilon")]
        actions = await editor.actions(uri, at, "quickfix")
        (fix,) = [action for action in actions if action.title.startswith("OPT201: write")]
        mended = edited(text, changes(fix, uri))
        assert line.replace('(np.sqrt(S[f"dW{l}"])) + epsilon', '(np.sqrt(S[f"dW{l}"]) + epsilon)') in mended

    session(talk)


def test_what_is_typed_last_counts(session: Callable[..., None], tmp_path: Path) -> None:
    async def talk(editor: Editor) -> None:
        uri = editor.open(tmp_path / "a.py", "x = 1\n")
        assert await editor.diagnostics(uri, 1) == []
        for version in range(2, 12):
            editor.change(uri, version, WRONG + "\n" * version)
        assert [d.code for d in await editor.diagnostics(uri, 11)] == CODES
        assert [params.version for params in editor.published[uri]] == [1, 11]  # nothing for what was passed over
        editor.client.text_document_did_close(lsp.DidCloseTextDocumentParams(lsp.TextDocumentIdentifier(uri)))
        await editor.until(lambda: len(editor.published[uri]) == 3)
        assert not editor.published[uri][-1].diagnostics

    session(talk)


def test_code_actions(session: Callable[..., None], tmp_path: Path) -> None:
    async def talk(editor: Editor) -> None:
        uri = editor.open(tmp_path / "a.py", WRONG)
        found = await editor.diagnostics(uri, 1)
        last = found[-1]
        fix, ignore, everything = await editor.actions(uri, last.range)
        assert fix.title.startswith("OPT201: write `") and fix.is_preferred and fix.kind == "quickfix"
        assert list(fix.diagnostics or ()) == [last]
        assert '(np.sqrt(S[f"db{l}"]) + epsilon)' in edited(WRONG, changes(fix, uri))
        assert (ignore.title, ignore.kind) == ("Ignore OPT201 here", "quickfix")
        line = WRONG.split("\n")[last.range.start.line]
        assert f"{line}  # optlint: ignore[OPT201]\n" in edited(WRONG, changes(ignore, uri))
        assert everything.kind == "source.fixAll.optlint"
        assert edited(WRONG, changes(everything, uri)) == edited(WRONG, changes(fix, uri))  # the others are not safe

        nowhere = lsp.Range(lsp.Position(0, 0), lsp.Position(0, 0))
        assert [a.kind for a in await editor.actions(uri, nowhere)] == ["source.fixAll.optlint"]
        assert [a.kind for a in await editor.actions(uri, nowhere, "source")] == ["source.fixAll.optlint"]
        assert await editor.actions(uri, nowhere, "quickfix", "source.organizeImports") == []

    session(talk)


def test_hover_shows_what_ran_and_the_equations(session: Callable[..., None], tmp_path: Path) -> None:
    async def talk(editor: Editor) -> None:
        uri = editor.open(tmp_path / "a.py", WRONG)
        text = await editor.hover(uri, 23, 65)  # while the report is under way
        assert text.startswith("**OPT101** regularization is added outside the square\n\n```text\nran:    step 1")
        assert "rmsprop" in text and "S['dW{l}']' = " in text
        beside = await editor.hover(uri, 23, 10)
        assert "OPT101" not in beside and "S['dW{l}']' = " in beside

    session(talk)


def test_settings_are_those_of_the_nearest_file(session: Callable[..., None], tmp_path: Path) -> None:
    settings = tmp_path / "optlint.toml"
    settings.write_text('ignore = ["OPT201"]\nexclude = ["skipped"]\n')

    async def talk(editor: Editor) -> None:
        uri = editor.open(tmp_path / "a.py", WRONG)
        assert [d.code for d in await editor.diagnostics(uri, 1)] == ["OPT101"]
        skipped = editor.open(tmp_path / "skipped" / "a.py", WRONG)
        assert await editor.diagnostics(skipped, 1) == []
        await editor.until(lambda: bool(editor.watched))
        assert editor.watched == ["**/{.optlint.toml,optlint.toml,pyproject.toml}"]
        settings.write_text("ignored = 1\n")
        event = lsp.FileEvent(settings.as_uri(), lsp.FileChangeType.Changed)
        editor.client.workspace_did_change_watched_files(lsp.DidChangeWatchedFilesParams([event]))
        await editor.until(lambda: bool(editor.messages))
        assert re.match(r"optlint: .*ignored", editor.messages[0])
        settings.unlink()
        editor.client.workspace_did_change_watched_files(lsp.DidChangeWatchedFilesParams([event]))
        await editor.until(lambda: len(editor.published[uri][-1].diagnostics) == len(CODES))

    watching = lsp.DidChangeWatchedFilesClientCapabilities(dynamic_registration=True)
    session(talk, workspace=lsp.WorkspaceClientCapabilities(did_change_watched_files=watching))


def test_notebooks(session: Callable[..., None], tmp_path: Path) -> None:
    head, body = WRONG.split("\ndef ", 1)
    book = (tmp_path / "a.ipynb").as_uri()
    cells = [f"vscode-notebook-cell:{book}#{number}" for number in range(3)]
    sources = ["# A title", head, f"%time\ndef {body}"]
    kinds = [lsp.NotebookCellKind.Markup, lsp.NotebookCellKind.Code, lsp.NotebookCellKind.Code]

    async def change(
        editor: Editor,
        version: int,
        content: lsp.TextDocumentContentChangePartial | None = None,
        structure: lsp.NotebookDocumentCellChangeStructure | None = None,
    ) -> None:
        document = lsp.VersionedTextDocumentIdentifier(version, cells[2])
        texts = [lsp.NotebookDocumentCellContentChanges(document, [content])] if content else None
        event = lsp.NotebookDocumentChangeEvent(cells=lsp.NotebookDocumentCellChanges(structure, text_content=texts))
        identity = lsp.VersionedNotebookDocumentIdentifier(version, book)
        editor.client.notebook_document_did_change(lsp.DidChangeNotebookDocumentParams(identity, event))

    async def talk(editor: Editor) -> None:
        notebook = lsp.NotebookDocument(
            book, "jupyter-notebook", 1, [lsp.NotebookCell(k, u) for k, u in zip(kinds, cells, strict=True)]
        )
        documents = [
            lsp.TextDocumentItem(uri, lsp.LanguageKind.Python, 1, source)
            for uri, source in zip(cells, sources, strict=True)
        ]
        editor.client.notebook_document_did_open(lsp.DidOpenNotebookDocumentParams(notebook, documents))
        assert await editor.diagnostics(cells[1], 1) == []
        found = await editor.diagnostics(cells[2], 1)
        assert [diagnostic.code for diagnostic in found] == CODES
        lines = sources[2].split("\n")
        assert all(f"expect: {d.code}" in lines[d.range.start.line] for d in found)
        fix, *_ = await editor.actions(cells[2], found[-1].range)
        assert '(np.sqrt(S[f"db{l}"]) + epsilon)' in edited(sources[2], changes(fix, cells[2]))
        assert "S['dW{l}']' = " in await editor.hover(cells[2], found[0].range.start.line, 10)

        start = lsp.Range(lsp.Position(0, 0), lsp.Position(0, 0))
        await change(editor, 2, content=lsp.TextDocumentContentChangePartial(start, "# β𝛽\n"))
        moved = await editor.diagnostics(cells[2], 2)
        assert [d.range.start.line for d in moved] == [d.range.start.line + 1 for d in found]

        gone = lsp.NotebookCellArrayChange(2, 1)
        closed = [lsp.TextDocumentIdentifier(cells[2])]
        structure = lsp.NotebookDocumentCellChangeStructure(gone, did_close=closed)
        await change(editor, 3, structure=structure)
        await editor.until(lambda: not editor.published[cells[2]][-1].diagnostics)

    session(talk)


def test_a_form_feed_ends_no_line(session: Callable[..., None], tmp_path: Path) -> None:
    async def talk(editor: Editor) -> None:
        assert editor.sync == lsp.TextDocumentSyncKind.Full
        uri = editor.open(tmp_path / "a.py", "\x0c\n" + WRONG)
        lines = [d.range.start.line for d in await editor.diagnostics(uri, 1)]
        editor.change(uri, 2, "# \u2028\x0c\n" + WRONG)
        assert [d.range.start.line for d in await editor.diagnostics(uri, 2)] == lines

    session(talk)


def test_what_is_no_optimizer_and_what_is_no_python(session: Callable[..., None], tmp_path: Path) -> None:
    async def talk(editor: Editor) -> None:
        for number, text in enumerate(["", "def f(:\n  v = beta * v\n", "\0", WRONG.replace("\n", "\r\n")]):
            found = await editor.diagnostics(editor.open(tmp_path / f"{number}.py", text), 1)
            assert [d.code for d in found] == (CODES if text.startswith(WRONG[:20]) else [])

    session(talk)


def test_without_pygls_one_line_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "pygls").mkdir()
    (tmp_path / "pygls" / "__init__.py").write_text("raise ModuleNotFoundError('no', name='pygls')")
    result = subprocess.run(
        [sys.executable, "-m", "optlint.server"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        capture_output=True,
        text=True,
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "optlint-server needs pygls: pip install 'optlint[server]'\n"


@pytest.mark.parametrize(("argument", "code"), [("--version", 0), ("--help", 0), ("--tcp", 2)])
def test_the_command_line(argument: str, code: int) -> None:
    command = [sys.executable, "-m", "optlint.server", argument]
    result = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert result.returncode == code and result.stdout.startswith(("optlint-server", "usage: optlint-server"))
