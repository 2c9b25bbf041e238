module github.com/pooltender/pool/mutation

go 1.26.0
