module github.com/pooltender/pool/bench

go 1.26.0

replace github.com/pooltender/pool => ../

require (
	github.com/alitto/pond/v2 v2.7.1
	github.com/jackc/puddle/v2 v2.2.3
	github.com/jolestar/go-commons-pool/v2 v2.1.2
	github.com/panjf2000/ants/v2 v2.12.1
	github.com/pooltender/pool v0.0.0
	github.com/thejerf/suture/v4 v4.0.6
	go.uber.org/goleak v1.3.0
)

require (
	github.com/stretchr/testify v1.12.1
	golang.org/x/sync v0.24.0
)

require go.yaml.in/yaml/v3 v3.0.5 // indirect
