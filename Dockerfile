FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PYTHONPATH=/app:/app/site \
    DJANGO_SETTINGS_MODULE=config.settings

WORKDIR /app
COPY requirements.lock .
RUN pip install --require-hashes --no-deps -r requirements.lock

COPY manage.py ./
COPY site site
COPY tracking tracking
COPY reports reports
COPY admin_ext admin_ext
COPY templates templates
RUN python -m compileall -q . && useradd --system --uid 10001 eye
USER eye

EXPOSE 8000
CMD ["granian", "--interface", "asginl", "--host", "0.0.0.0", "--port", "8000", \
     "--workers", "2", "--http", "1", "--http1-header-read-timeout", "10000", \
     "--http1-buffer-size", "65536", "--backpressure", "4096", "--no-ws", \
     "config.asgi:application"]
