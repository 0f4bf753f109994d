"""The server itself: keeps a report on everything that is open, and answers from it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import unquote

from lsprotocol import types as lsp
from pygls import uris
from pygls.lsp.server import LanguageServer
from pygls.workspace import TextDocument

from optlint import __version__
from optlint.fix.files import Wanted
from optlint.model import Report
from optlint.server import convert
from optlint.server.opened import Opened, Places, Text
from optlint.settings import ConfigError
from optlint.settings.layers import CONFIG_NAMES
from optlint.settings.resolve import Resolver

Result = TypeVar("Result")

DELAY = 0.3  # seconds without typing, after which a changed text is linted


@dataclass(frozen=True, slots=True)
class Known:
    """A report, with the texts that it is about and the settings that it was made by."""

    opened: Opened
    report: Report
    resolver: Resolver

    @property
    def fixable(self) -> bool:
        return any(map(Wanted().allows, self.report.findings))


class Server(LanguageServer):
    """uris in here are those of files and notebooks; a cell has a document, and is known by its notebook's."""

    def __init__(self) -> None:
        cells = lsp.NotebookDocumentFilterWithNotebook(
            notebook="jupyter-notebook", cells=[lsp.NotebookCellLanguage(language="python")]
        )
        super().__init__(
            "optlint",
            __version__,
            text_document_sync_kind=lsp.TextDocumentSyncKind.Full,
            notebook_document_sync=lsp.NotebookDocumentSyncOptions(notebook_selector=[cells], save=True),
        )
        self._known: dict[str, Known] = {}
        self._waiting: dict[str, asyncio.Task[None]] = {}
        self._complaints: set[str] = set()
        # One at a time: linting is work for the processor, and the newest text is the one that counts.
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lint")
        logging.getLogger("pygls").setLevel(logging.CRITICAL)  # what matters reaches the editor as a message
        _register(self)

    def lint_soon(self, uri: str, delay: float = DELAY) -> None:
        """Lint a document or notebook unless it changes again within the delay."""
        self.forget(uri)
        self._waiting[uri] = asyncio.get_running_loop().create_task(self._lint(uri, delay))

    def lint_all(self) -> None:
        for uri in list(self._known):
            self.lint_soon(uri)

    def forget(self, uri: str) -> None:
        waiting = self._waiting.pop(uri, None)
        if waiting is not None:
            waiting.cancel()

    def close(self, uri: str) -> None:
        """A document that is closed has no diagnostics any more."""
        self.forget(uri)
        known = self._known.pop(uri, None)
        for text in known.opened.texts if known else ():
            self._publish(text.uri, [])

    async def _lint(self, uri: str, delay: float) -> None:
        try:
            await asyncio.sleep(delay)
            opened = self._opened(uri)
            if opened is not None:
                resolver = Resolver()
                report = await self._at_work(opened.linted, resolver)
                with resolver.reported():
                    self._show(uri, Known(opened, report or Report(), resolver))
        finally:
            if self._waiting.get(uri) is asyncio.current_task():
                del self._waiting[uri]

    async def _at_work(self, work: Callable[[Resolver], Result], resolver: Resolver) -> Result | None:
        """What comes of work for the processor; None, and a message, where nothing does."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, work, resolver)
        except ConfigError as error:
            self._complain(str(error))
        except Exception as error:  # the next text may do better
            said = f"internal error: {type(error).__name__}: {error}"
            self.window_log_message(lsp.LogMessageParams(type=lsp.MessageType.Error, message=said))
        return None

    def _show(self, uri: str, now: Known) -> None:
        before = self._known.get(uri)
        self._known[uri] = now
        shown = {text.uri for text in now.opened.texts}
        for text in before.opened.texts if before else ():
            if text.uri not in shown:  # a cell that is gone
                self._publish(text.uri, [])
        places = self.places(now.opened)
        for text in now.opened.texts:
            found = [finding for finding in now.report.findings if finding.span.cell == text.number]
            self._publish(text.uri, [convert.diagnostic(finding, places) for finding in found])
        for problem in now.report.problems:
            said = f"{problem.path}: {problem.message}"
            self.window_log_message(lsp.LogMessageParams(type=lsp.MessageType.Warning, message=said))

    async def known(self, uri: str) -> tuple[Known, Places] | None:
        """The report on the present text of a document, or on the notebook of a cell; waits for one under way."""
        owner = self.owner(uri)
        while (waiting := self._waiting.get(owner)) is not None:
            await asyncio.wait([waiting])
        known = self._known.get(owner)
        return None if known is None else (known, self.places(known.opened))

    async def fix_all(self, known: Known) -> list[lsp.CodeAction]:
        new = await self._at_work(known.opened.mended, known.resolver)
        return convert.fix_all({text.uri: text.source for text in known.opened.texts}, new or {})

    def places(self, opened: Opened) -> Places:
        return Places(opened, self.workspace.position_codec.client_num_units)

    def owner(self, uri: str) -> str:
        """The notebook of a cell; any other document itself."""
        notebook = self.workspace.get_notebook_document(cell_uri=uri)
        return uri if notebook is None else notebook.uri

    def _opened(self, uri: str) -> Opened | None:
        notebook = self.workspace.get_notebook_document(notebook_uri=uri)
        path = uris.to_fs_path(uri) or "untitled.py"
        if notebook is None:
            document = self._document(uri)
            return None if document is None else Opened(path, (Text(uri, None, document.source),))
        texts = []
        for number, cell in enumerate(notebook.cells, start=1):
            document = self._document(cell.document)
            is_code = document is not None and cell.kind == lsp.NotebookCellKind.Code
            texts.append(Text(cell.document, number, document.source if document else "", is_code))
        return Opened(path, tuple(texts))

    def _document(self, uri: str) -> TextDocument | None:
        document: TextDocument | None = self.workspace.text_documents.get(unquote(uri))
        return document

    def _publish(self, uri: str, diagnostics: list[lsp.Diagnostic]) -> None:
        document = self._document(uri)
        version = document.version if document is not None else None
        self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, diagnostics, version))

    def _complain(self, text: str) -> None:
        """Show a message, once: every keystroke would bring it again."""
        if text not in self._complaints:
            self._complaints.add(text)
            self.window_show_message(lsp.ShowMessageParams(type=lsp.MessageType.Error, message=f"optlint: {text}"))


def _register(server: Server) -> None:
    """What the server listens to."""

    @server.feature(lsp.INITIALIZE)
    def initialize(_: lsp.InitializeParams) -> None:
        # A file is sent as a whole: pygls applies parts of it wrongly behind a form feed, which it takes for the end of
        # a line. Cells of notebooks are sent in parts, whatever a server says.
        server.workspace._sync_kind = lsp.TextDocumentSyncKind.Incremental

    @server.feature(lsp.INITIALIZED)
    def initialized(_: lsp.InitializedParams) -> None:
        workspace = server.client_capabilities.workspace
        watching = workspace.did_change_watched_files if workspace else None
        if watching is not None and watching.dynamic_registration:
            options = lsp.DidChangeWatchedFilesRegistrationOptions(
                [lsp.FileSystemWatcher("**/{" + ",".join(CONFIG_NAMES) + "}")]
            )
            registration = lsp.Registration("optlint-settings", lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES, options)
            server.client_register_capability(lsp.RegistrationParams([registration]))

    @server.feature(lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def settings_changed(_: lsp.DidChangeWatchedFilesParams) -> None:
        server._complaints.clear()
        server.lint_all()

    @server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
    def opened(params: lsp.DidOpenTextDocumentParams) -> None:
        server.lint_soon(params.text_document.uri, 0)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
    def changed(params: lsp.DidChangeTextDocumentParams) -> None:
        server.lint_soon(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_SAVE)
    def saved(params: lsp.DidSaveTextDocumentParams) -> None:
        server.lint_soon(params.text_document.uri, 0)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: lsp.DidCloseTextDocumentParams) -> None:
        server.close(params.text_document.uri)

    @server.feature(lsp.NOTEBOOK_DOCUMENT_DID_OPEN)
    def notebook_opened(params: lsp.DidOpenNotebookDocumentParams) -> None:
        server.lint_soon(params.notebook_document.uri, 0)

    @server.feature(lsp.NOTEBOOK_DOCUMENT_DID_CHANGE)
    def notebook_changed(params: lsp.DidChangeNotebookDocumentParams) -> None:
        server.lint_soon(params.notebook_document.uri)

    @server.feature(lsp.NOTEBOOK_DOCUMENT_DID_CLOSE)
    def notebook_closed(params: lsp.DidCloseNotebookDocumentParams) -> None:
        server.close(params.notebook_document.uri)

    kinds = [lsp.CodeActionKind.QuickFix, convert.FIX_ALL]

    @server.feature(lsp.TEXT_DOCUMENT_CODE_ACTION, lsp.CodeActionOptions(code_action_kinds=kinds))
    async def code_actions(params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
        uri, context = params.text_document.uri, params.context
        found = await server.known(uri)
        if found is None:
            return []
        known, places = found
        actions: list[lsp.CodeAction] = []
        if convert.wanted(lsp.CodeActionKind.QuickFix, context.only):
            with known.resolver.reported():
                actions += convert.quick_fixes(places.findings(known.report, uri, params.range), places)
        # Fixes are made together, and linted again: too much for each move of a cursor.
        by_itself = context.trigger_kind == lsp.CodeActionTriggerKind.Automatic and not context.only
        if convert.wanted(convert.FIX_ALL, context.only) and known.fixable and not by_itself:
            actions += await server.fix_all(known)
        return actions

    @server.feature(lsp.TEXT_DOCUMENT_HOVER)
    async def hover(params: lsp.HoverParams) -> lsp.Hover | None:
        uri, at = params.text_document.uri, params.position
        found = await server.known(uri)
        if found is None:
            return None
        known, places = found
        findings = places.findings(known.report, uri, lsp.Range(at, at))
        text = convert.hover(findings, places.update(known.report, uri, at))
        return lsp.Hover(lsp.MarkupContent(lsp.MarkupKind.Markdown, text)) if text else None
