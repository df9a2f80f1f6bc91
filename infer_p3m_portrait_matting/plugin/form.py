"""The form behind the parameter widget: plain Qt, without Ikomia, so that it can be shown and tested alone."""

from infer_p3m_portrait_matting.pipeline.settings import PARAMETERS, SECTIONS, Settings
from infer_p3m_portrait_matting.plugin import form_messages
from infer_p3m_portrait_matting.plugin.form_controls import make_control
from infer_p3m_portrait_matting.plugin.form_parts import Line, Section, WheelGuard, guard_wheel, scroll_to
from infer_p3m_portrait_matting.plugin.qt import QtCore, QtWidgets


class ParameterForm(QtWidgets.QWidget):
    """Shows one set of parameters and returns it as the user changed it.

    Args:
        settings: the parameters to show first.
    """

    #: Emitted after every change by the user.
    changed = QtCore.pyqtSignal()

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.controls = {name: make_control(parameter) for name, parameter in PARAMETERS.items()}
        self.lines = {name: Line(PARAMETERS[name], control.widgets) for name, control in self.controls.items()}
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for line in self._lines_of(""):
            layout.addWidget(line)
        self.sections = {title: Section(title, self._lines_of(title)) for title in SECTIONS}
        for section in self.sections.values():
            layout.addWidget(section)
            section.button.toggled.connect(lambda unfolded, section=section: self._bring(section, unfolded))
        layout.addStretch(1)
        width = max(line.label.sizeHint().width() for line in self.lines.values())
        for line in self.lines.values():
            line.label.setMinimumWidth(width)
        self._problems: dict[str, str] = {}
        self._wanted: QtWidgets.QWidget = self
        self._soon = QtCore.QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(lambda: scroll_to(self._wanted))
        self.show_settings(settings)
        guard = WheelGuard(self)
        for control in self.controls.values():
            for widget in control.widgets:
                guard_wheel(guard, widget)
            for signal in control.changed:
                signal.connect(self._on_change)

    def show_settings(self, settings: Settings) -> None:
        """Fill the form."""
        for name, text in settings.to_strings().items():
            self.controls[name].write(text)
        self._refresh()

    def settings(self) -> Settings:
        """Return the parameters that the form shows now.

        Raises:
            ValueError: an entry cannot be read; its line says so.
        """
        settings, unreadable = self._read()
        if unreadable:
            raise ValueError(next(iter(unreadable.values())))
        return settings

    def problems(self) -> dict[str, str]:
        """Return what is wrong with the entries, parameter to message; empty when a run can use them."""
        settings, unreadable = self._read()
        return {**form_messages.problems(settings), **unreadable}

    def show_problem(self) -> None:
        """Look again for problems, as files come and go, and bring the first line with one into view."""
        self._refresh()
        self._show(set(self._problems))

    def _lines_of(self, section: str) -> list[Line]:
        return [line for name, line in self.lines.items() if PARAMETERS[name].section == section]

    def _read(self) -> tuple[Settings, dict[str, str]]:
        """Read all entries, with defaults for those that cannot be read; say what is wrong with them if they count."""
        values, unreadable = {}, {}
        for name, control in self.controls.items():
            try:
                values[name] = PARAMETERS[name].read(control.read())
            except ValueError as error:
                unreadable[name] = f"{error}."
        settings = Settings(**values)
        idle = settings.idle()
        return settings, {name: text for name, text in unreadable.items() if name not in idle}

    def _on_change(self) -> None:
        before = self._problems
        self._refresh()
        self._show({name for name, _ in self._problems.items() - before.items()})
        self.changed.emit()

    def _refresh(self) -> None:
        settings, default = self._read()[0], Settings()
        self._problems, hints = self.problems(), form_messages.hints(settings)
        idle, changed = settings.idle(), dict.fromkeys(self.sections, 0)
        for name, line in self.lines.items():
            line.setVisible(name not in idle)
            line.say(self._problems.get(name) or hints.get(name, ""), name in self._problems)
            if PARAMETERS[name].section:
                changed[PARAMETERS[name].section] += getattr(settings, name) != getattr(default, name)
        for title, section in self.sections.items():
            section.count(changed[title])

    def _show(self, names: set[str]) -> None:
        """Bring the first of these lines into view."""
        for name, line in self.lines.items():
            if name in names:
                if PARAMETERS[name].section:
                    self.sections[PARAMETERS[name].section].unfold()
                self._bring(line)
                return

    def _bring(self, widget: QtWidgets.QWidget, wanted: bool = True) -> None:
        """Bring a widget into view once Qt has laid it out."""
        if wanted:
            self._wanted = widget
            self._soon.start(0)
