// Renders a chart as `helm template` does, as far as this chart goes: text/template with sprig and Helm's own functions,
// `.Files`, `.Capabilities`, and values from standard input laid over values.yaml. Prints {file: text} as JSON.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"sigs.k8s.io/yaml"
)

type files map[string][]byte

func (f files) Get(name string) string { return string(f[name]) }
func (f files) Glob(pattern string) files {
	found := files{}
	for name, content := range f {
		if ok, err := path.Match(pattern, name); err == nil && ok {
			found[name] = content
		}
	}
	return found
}

type versions []string

func (v versions) Has(name string) bool {
	for _, each := range v {
		if each == name {
			return true
		}
	}
	return false
}

func main() {
	chart, release := os.Args[1], os.Args[2]
	all := files{}
	fail(filepath.Walk(chart, func(file string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		name, _ := filepath.Rel(chart, file)
		all[filepath.ToSlash(name)], err = os.ReadFile(file)
		return err
	}))
	var meta, values, given map[string]interface{}
	fail(yaml.Unmarshal(all["Chart.yaml"], &meta))
	fail(yaml.Unmarshal(all["values.yaml"], &values))
	fail(json.NewDecoder(os.Stdin).Decode(&given))

	templates, others := map[string]string{}, files{}
	for name, content := range all {
		if strings.HasPrefix(name, "templates/") {
			templates[name] = string(content)
		} else if name != "Chart.yaml" && name != "values.yaml" && name != "values.schema.json" {
			others[name] = content
		}
	}
	chartFields := map[string]interface{}{}
	for key, value := range meta {
		chartFields[strings.ToUpper(key[:1])+key[1:]] = value
	}
	root := map[string]interface{}{
		"Values":  over(values, given),
		"Chart":   chartFields,
		"Files":   others,
		"Release": map[string]interface{}{"Name": release, "Namespace": "default", "Service": "Helm", "IsInstall": true, "IsUpgrade": false, "Revision": 1},
		"Capabilities": map[string]interface{}{
			"KubeVersion": map[string]interface{}{"Version": "v1.31.0", "Major": "1", "Minor": "31"},
			"APIVersions": versions{"v1", "apps/v1", "batch/v1"},
		},
	}
	rendered := render(templates, root)
	fail(json.NewEncoder(os.Stdout).Encode(rendered))
}

func render(templates map[string]string, root map[string]interface{}) map[string]string {
	set := template.New("chart").Option("missingkey=zero")
	functions := sprig.TxtFuncMap()
	delete(functions, "env")
	delete(functions, "expandenv")
	functions["toYaml"] = func(value interface{}) string {
		text, err := yaml.Marshal(value)
		if err != nil {
			return ""
		}
		return strings.TrimSuffix(string(text), "\n")
	}
	functions["fromYaml"] = func(text string) map[string]interface{} {
		value := map[string]interface{}{}
		if err := yaml.Unmarshal([]byte(text), &value); err != nil {
			value["Error"] = err.Error()
		}
		return value
	}
	functions["required"] = func(message string, value interface{}) (interface{}, error) {
		if value == nil || value == "" {
			return value, fmt.Errorf("%s", message)
		}
		return value, nil
	}
	functions["include"] = func(name string, data interface{}) (string, error) {
		var out bytes.Buffer
		err := set.ExecuteTemplate(&out, name, data)
		return out.String(), err
	}
	set.Funcs(functions)
	for name, text := range templates {
		template.Must(set.New(name).Parse(text))
	}
	rendered := map[string]string{}
	for name := range templates {
		if strings.HasPrefix(path.Base(name), "_") {
			continue
		}
		var out bytes.Buffer
		data := map[string]interface{}{"Template": map[string]interface{}{"Name": name, "BasePath": "templates"}}
		for key, value := range root {
			data[key] = value
		}
		fail(set.ExecuteTemplate(&out, name, data))
		// As Helm does: a value that is missing is printed as nothing.
		rendered[name] = strings.ReplaceAll(out.String(), "<no value>", "")
	}
	return rendered
}

// Maps are merged, null removes, everything else is replaced: how Helm lays values over the defaults.
func over(base, given map[string]interface{}) map[string]interface{} {
	for key, value := range given {
		below, isMap := base[key].(map[string]interface{})
		above, both := value.(map[string]interface{})
		switch {
		case value == nil:
			delete(base, key)
		case isMap && both:
			base[key] = over(below, above)
		default:
			base[key] = value
		}
	}
	return base
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
