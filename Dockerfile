# One image for both services of docker-compose.yml: the storage account and the functions host.
# Built in the full image, which has a C compiler, for the slim one, which has none.
FROM python:3.12 AS build
WORKDIR /src
COPY pyproject.toml hatch_build.py README.md ./
COPY runtime runtime
COPY emulator emulator
RUN pip wheel --no-cache-dir --wheel-dir /wheels ".[azure]"

FROM python:3.12-slim
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index --find-links /wheels "triggerfish[azure]"
# What is made for Azurite's image, such as the module of Testcontainers, calls this in it.
RUN printf '#!/bin/sh\nexec triggerfish storage "$@"\n' > /usr/local/bin/azurite \
    && chmod 755 /usr/local/bin/azurite
# A user without rights; /data is the one place it writes to.
RUN useradd --uid 10001 --create-home triggerfish \
    && mkdir /data && chown triggerfish:triggerfish /data
USER triggerfish
WORKDIR /home/triggerfish
VOLUME /data
# 7071 functions and admin API; 10000 blob, 10001 queue, 10002 table
EXPOSE 7071 10000 10001 10002
# Ctrl-C and `docker stop` drain: work in progress is finished, nothing new is taken.
STOPSIGNAL SIGTERM
CMD ["triggerfish", "storage", "--address", "0.0.0.0", "--data", "/data"]
