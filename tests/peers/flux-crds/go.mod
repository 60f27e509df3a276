// Where upstream's custom resource definitions come from: files of these modules, read, never built.
module hence.example/tests/peers/flux-crds

go 1.26.0

require (
	github.com/fluxcd/kustomize-controller v1.9.4
	github.com/fluxcd/source-controller v1.9.4
)
