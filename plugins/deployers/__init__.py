"""Own targets: propose architectures, plan, deploy, destroy. One file per target family."""
