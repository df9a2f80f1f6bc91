"""The parameter widget of Ikomia STUDIO: it embeds the form and passes on what Apply confirms."""

from ikomia import core, dataprocess

# Load the Qt binding that this Ikomia uses, so that the form below uses the same one.
from ikomia.utils import pyqtutils, qtconversion  # noqa: F401

# isort: split
from infer_p3m_portrait_matting.infer_p3m_portrait_matting_process import NAME, InferP3mPortraitMattingParam
from infer_p3m_portrait_matting.plugin.form import ParameterForm
from infer_p3m_portrait_matting.plugin.qt import QtWidgets


class InferP3mPortraitMattingWidget(core.CWorkflowTaskWidget):
    """Ikomia's window around :class:`~.plugin.form.ParameterForm`."""

    def __init__(self, param: InferP3mPortraitMattingParam | None, parent: object) -> None:
        core.CWorkflowTaskWidget.__init__(self, parent)
        self.parameters = InferP3mPortraitMattingParam() if param is None else param
        self.form = ParameterForm(self.parameters.settings)
        self._layout = QtWidgets.QGridLayout()
        self._layout.setContentsMargins(8, 6, 8, 6)
        self._layout.addWidget(self.form)
        self.set_layout(qtconversion.PyQtToQt(self._layout))

    def on_apply(self) -> None:
        """Take over the form's entries and let Ikomia run the task; if one is marked as wrong, show that instead."""
        if self.form.problems():
            self.form.show_problem()
            return
        self.parameters.settings = self.form.settings()
        self.emit_apply(self.parameters)


class InferP3mPortraitMattingWidgetFactory(dataprocess.CWidgetFactory):
    """Makes widgets."""

    def __init__(self) -> None:
        dataprocess.CWidgetFactory.__init__(self)
        self.name = NAME

    def create(self, param: InferP3mPortraitMattingParam | None) -> InferP3mPortraitMattingWidget:
        """Make a widget that shows and changes ``param``."""
        return InferP3mPortraitMattingWidget(param, None)
