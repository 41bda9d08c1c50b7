# Stands in for apache/beam_python3.11_sdk; see build_stand_in_base.sh.
FROM scratch
ARG BEAM_VERSION
ADD debian.tar /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PIP_CERT=/etc/ssl/certs/ca-certificates.crt \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
COPY base_image_requirements.txt /tmp/
RUN rm -f /usr/lib/python3.11/EXTERNALLY-MANAGED \
    && ln -s /usr/bin/python3.11 /usr/local/bin/python \
    && python -m pip install -q --ignore-installed --no-deps --prefer-binary -r /tmp/base_image_requirements.txt \
    && python -m pip install -q --no-deps "apache-beam[gcp]==${BEAM_VERSION}" \
    && python -m pip check \
    && rm /tmp/base_image_requirements.txt
COPY boot /opt/apache/beam/boot
ENTRYPOINT ["/opt/apache/beam/boot"]
