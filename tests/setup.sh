#!/bin/sh
# Installs the system's packages that the tests use, where one is missing: as root, on Debian and its like.
# Elsewhere it says what is missing; the tests that need it are skipped. No service is started.
set -eu

# program, and the package that brings it
lacking() {
	while read -r program package; do
		command -v "$program" >/dev/null 2>&1 || echo "$package"
	done <<-END
		redis-server redis-server
		node nodejs
		npm npm
		curl curl
		jq jq
		ps procps
	END
}

missing=$(lacking | tr '\n' ' ')
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "some tests will be skipped; as root, apt-get install ${missing% } makes them run" >&2
	exit 0
fi

# Debian starts a package's service unless this says no:
# https://people.debian.org/~hmh/invokerc.d-policyrc.d-specification.txt
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	trap 'rm -f $policy' EXIT
	trap 'exit 130' INT TERM
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod 755 $policy
fi

echo "installing ${missing% } for the tests"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086  # a list of packages
if ! apt-get update -qq || ! apt-get install -qq -y --no-install-recommends $missing >/dev/null; then
	echo "apt-get failed; the tests that need one of these will be skipped: ${missing% }" >&2
	exit 0
fi
case $missing in
*redis-server*) # nor with the machine's next start: the tests run a Redis of their own
	if command -v systemctl >/dev/null; then systemctl --quiet disable redis-server >/dev/null 2>&1 || true; fi
	;;
esac
