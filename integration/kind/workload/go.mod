module lifeboat.dev/workload

go 1.21
