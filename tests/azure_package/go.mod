module neo4j-m2m/tests/azure_package

go 1.26.0

require (
	github.com/denormal/go-gitignore v0.0.0-20180930084346-ae8ad1d07817
	github.com/drone/envsubst v1.0.3
)

require github.com/danwakefield/fnmatch v0.0.0-20160403171240-cbb64ac3d964 // indirect
