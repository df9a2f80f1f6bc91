"""Entry point that Ikomia looks for: a class named IkomiaPlugin in a file named like its folder."""

from ikomia import dataprocess


class IkomiaPlugin(dataprocess.CPluginProcessInterface):
    """Give Ikomia the factories of the plugin; each imports what it needs when it is called."""

    def __init__(self) -> None:
        dataprocess.CPluginProcessInterface.__init__(self)

    def get_process_factory(self):
        """Return the factory of the task."""
        from infer_p3m_portrait_matting.infer_p3m_portrait_matting_process import InferP3mPortraitMattingFactory

        return InferP3mPortraitMattingFactory()

    def get_widget_factory(self):
        """Return the factory of the parameter widget. Only this imports Qt."""
        from infer_p3m_portrait_matting.infer_p3m_portrait_matting_widget import InferP3mPortraitMattingWidgetFactory

        return InferP3mPortraitMattingWidgetFactory()

    def get_param_factory(self):
        """Return the factory of the parameters."""
        from infer_p3m_portrait_matting.infer_p3m_portrait_matting_process import InferP3mPortraitMattingParamFactory

        return InferP3mPortraitMattingParamFactory()
