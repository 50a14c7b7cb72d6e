#!/usr/bin/env bash
# Build stand-ins for the images that can't be pulled here, under the names by which they are asked
# for. Needs root, debootstrap, Maven, Go and a Docker engine; the jars are those of infra/kafka.
# Grafana is in none of these registries: it is left out.
#
#     infra/images/local/build.sh [python kafka postgres prometheus versitygw]
set -euo pipefail
cd "$(dirname "$0")/../../.."
here=infra/images/local
suite=trixie
export DOCKER_BUILDKIT=1

image() { # the name that docker-compose.yml or the Dockerfile gives an image
    grep -ohE "([a-z]+/)?$1:[A-Za-z0-9._-]+" docker-compose.yml infra/images/Dockerfile | head -1
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if ! docker image inspect debian:$suite-slim > /dev/null 2>&1; then
    debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv $suite "$work/root"
    rm -rf "$work"/root/var/cache/apt/archives/*.deb "$work"/root/var/lib/apt/lists/*
    tar -C "$work/root" -c . | docker import - debian:$suite-slim
fi

mkdir "$work/context"
cp -r $here/. "$work/context"
cp "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}" "$work/context/ca-certificates.crt"
"${PYTHON:-.venv/bin/python}" - "$work/context/jars" << 'PYTHON'
import shutil, sys
from pathlib import Path
from kedge.broker import jars, lock
from kedge.broker.layout import shipped
from kedge.settings import BrokerSettings

target = Path(sys.argv[1])
target.mkdir()
for jar in jars.prepare(lock.read(shipped("jars.lock")), BrokerSettings()):
    shutil.copy(jar, target)
PYTHON

# Read by the wrapper that the image starts by, and by nothing else: the lock does without.
for jar in com.fasterxml.jackson.dataformat:jackson-dataformat-yaml:2.21.7 org.yaml:snakeyaml:2.5; do
    mvn -q dependency:copy -Dartifact=$jar -DoutputDirectory="$work/context/jars"
done

gateway=$(image versitygw)
GOBIN="$work/context" CGO_ENABLED=0 go install "github.com/versity/versitygw/cmd/versitygw@${gateway#*:}"

for target in ${*:-python kafka postgres prometheus versitygw}; do
    docker build --target "$target" --tag "$(image "$target")" "$work/context"
done
