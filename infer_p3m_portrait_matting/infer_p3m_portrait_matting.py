"""Entry point that Ikomia looks for: a class named IkomiaPlugin in a file named like its folder."""

from ikomia import dataprocess


class IkomiaPlugin(dataprocess.CPluginProcessInterface):
    """Hands Ikomia the plugin's factories; each imports what it needs only when asked."""

    def __init__(self) -> None:
        dataprocess.CPluginProcessInterface.__init__(self)

    def get_process_factory(self):
        """Factory of the task."""
        from infer_p3m_portrait_matting.infer_p3m_portrait_matting_process import InferP3mPortraitMattingFactory

        return InferP3mPortraitMattingFactory()

    def get_widget_factory(self):
        """Factory of the parameter widget: Qt is imported here and nowhere before."""
        from infer_p3m_portrait_matting.infer_p3m_portrait_matting_widget import InferP3mPortraitMattingWidgetFactory

        return InferP3mPortraitMattingWidgetFactory()

    def get_param_factory(self):
        """Factory of the parameters."""
        from infer_p3m_portrait_matting.infer_p3m_portrait_matting_process import InferP3mPortraitMattingParamFactory

        return InferP3mPortraitMattingParamFactory()
