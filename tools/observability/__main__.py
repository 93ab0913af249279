"""Writes the dashboards and the rules of the objectives; with --check it only compares.

    python -m tools.observability [--check]

Written are `deploy/grafana/dashboards/`, `deploy/prometheus/rules/slo.yml`, and the same for
Kubernetes in `k8s/components/monitoring/`.
"""

import sys

from tools.observability.files import ROOT, wanted


def main() -> None:
    check = sys.argv[1:] == ["--check"]
    for path, text in wanted().items():
        if check and (not path.exists() or path.read_text() != text):
            name = path.relative_to(ROOT)
            sys.exit(f"{name} is not what tools/observability says: run `make dashboards`")
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


if __name__ == "__main__":
    main()
