// Serves HashiCorp Vault for tests at the address it gets: transit and key-value engines, everything in memory. The root
// token is the first line of its output; requests are answered as soon as that has been printed.
package main

import (
	"context"
	"fmt"
	"log"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"

	"github.com/hashicorp/go-hclog"
	keyvalue "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/builtin/logical/transit"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

// The engines that the core finds built in, as in the registry of the released program.
type builtin map[string]logical.Factory

func (engines builtin) Get(name string, _ consts.PluginType) (func() (any, error), bool) {
	factory, found := engines[name]
	return func() (any, error) { return factory, nil }, found
}

func (engines builtin) Contains(name string, _ consts.PluginType) bool {
	_, found := engines[name]
	return found
}

func (engines builtin) Keys(consts.PluginType) []string {
	return slices.Sorted(maps.Keys(engines))
}

func (engines builtin) DeprecationStatus(string, consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, true
}

func (engines builtin) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: vault-dev ADDRESS")
	}
	if err := serve(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func serve(address string) error {
	logger := hclog.New(&hclog.LoggerOptions{Level: hclog.Error})
	storage, err := inmem.NewInmem(nil, logger)
	if err != nil {
		return err
	}
	engines := builtin{"kv": keyvalue.Factory, "transit": transit.Factory}
	core, err := vault.NewCore(&vault.CoreConfig{
		BuiltinRegistry: engines,
		DisableMlock:    true,
		LogicalBackends: engines,
		Logger:          logger,
		Physical:        storage,
	})
	if err != nil {
		return err
	}
	// One share opens it again: nobody has to keep any.
	seal := vault.SealConfig{SecretShares: 1, SecretThreshold: 1}
	made, err := core.Initialize(context.Background(), &vault.InitParams{
		BarrierConfig:  &seal,
		RecoveryConfig: &vault.SealConfig{},
	})
	if err != nil {
		return err
	}
	if _, err := core.Unseal(made.SecretShares[0]); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	fmt.Println(made.RootToken)
	return http.Serve(listener, vaulthttp.Handler.Handler(&vault.HandlerProperties{
		Core:           core,
		ListenerConfig: &configutil.Listener{},
	}))
}
