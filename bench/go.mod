module github.com/pooltender/pool/bench

go 1.26

replace github.com/pooltender/pool => ../

require (
	github.com/jackc/puddle/v2 v2.2.3
	github.com/pooltender/pool v0.0.0
	go.uber.org/goleak v1.3.0
)

require golang.org/x/sync v0.1.0 // indirect
