package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"fairlead/regions/fault"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/gin-gonic/gin"
)

// route returns what the document says of the request's route, which gin has
// already matched.
func (s *Server) route(c *gin.Context) (*routers.Route, error) {
	path := c.FullPath()
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if name, ok := strings.CutPrefix(part, ":"); ok {
			parts[i] = "{" + name + "}"
		}
	}
	path = strings.Join(parts, "/")
	item := s.document.Paths.Value(path)
	if item == nil || item.GetOperation(c.Request.Method) == nil {
		return nil, fmt.Errorf("route %s %s is not in the document", c.Request.Method, path)
	}
	return &routers.Route{Spec: s.document, Path: path, PathItem: item, Method: c.Request.Method, Operation: item.GetOperation(c.Request.Method)}, nil
}

// bounded reads the body, up to a limit, so that nothing after it can hang on
// a slow sender or be filled up by a large one.
func (s *Server) bounded(c *gin.Context) {
	r := c.Request
	tooLarge := &status{code: http.StatusRequestEntityTooLarge, title: "the request is too large",
		err: fault.Invalidf("request body", "is larger than 1 MiB").Do("send less; configurations belong into files of the node")}
	if r.ContentLength > maxBody {
		c.Header("Connection", "close") // the rest is not read
		s.fail(c, tooLarge)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, r.Body, maxBody))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			c.Header("Connection", "close")
			s.fail(c, tooLarge)
			return
		}
		s.fail(c, fault.Invalidf("request body", "broke off after %d bytes", len(body)).Because(err).Do("send it again"))
		return
	}
	// A decoder stops at the end of the first document; what follows it was
	// meant to count too.
	if len(body) > 0 && !safe(r.Method) && strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") && !json.Valid(body) {
		s.fail(c, fault.Invalidf("request", "body is not well-formed JSON, or more than one document").Do("see /api/v1/openapi.json for what this operation takes"))
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	c.Next()
}

// validated holds the request against the document.
func (s *Server) validated(c *gin.Context) {
	route, err := s.route(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	if err := unknownQuery(c.Request, route); err != nil {
		s.fail(c, err)
		return
	}
	params := map[string]string{}
	for _, p := range c.Params {
		params[p.Key] = p.Value
	}
	err = openapi3filter.ValidateRequest(c.Request.Context(), &openapi3filter.RequestValidationInput{
		Request: c.Request, Route: route, PathParams: params,
		Options: &openapi3filter.Options{
			// Who may do it was settled before.
			AuthenticationFunc:  openapi3filter.NoopAuthenticationFunc,
			MultiError:          true,
			SkipSettingDefaults: false,
		},
	})
	if err != nil {
		s.fail(c, invalidRequest(err))
		return
	}
	c.Next()
}

// unknownQuery refuses a query parameter that nothing reads: it is a typo, and
// what it was meant to limit would not be limited.
func unknownQuery(r *http.Request, route *routers.Route) error {
	var known []string
	for _, p := range append(slices.Clone(route.Operation.Parameters), route.PathItem.Parameters...) {
		if p.Value.In == openapi3.ParameterInQuery {
			known = append(known, p.Value.Name)
		}
	}
	for name := range r.URL.Query() {
		if slices.Contains(known, name) {
			continue
		}
		f := fault.Invalidf("parameter "+name, "is not known here")
		if len(known) == 0 {
			return f.Do("this operation takes none")
		}
		return f.Do("known are %s", strings.Join(known, ", "))
	}
	return nil
}

// invalidRequest tells in words what does not fit. Values are never repeated:
// one of them may be a secret in the wrong place.
func invalidRequest(err error) error {
	var problems []string
	collect(err, "", &problems)
	slices.Sort(problems)
	problems = slices.Compact(problems)
	return fault.Invalidf("request", "%s", strings.Join(problems, "; ")).Do("see /api/v1/openapi.json for what this operation takes")
}

func collect(err error, where string, problems *[]string) {
	switch e := err.(type) {
	case openapi3.MultiError:
		for _, one := range e {
			collect(one, where, problems)
		}
	case *openapi3filter.RequestError:
		switch {
		case e.Parameter != nil:
			where = "parameter " + e.Parameter.Name
		case e.RequestBody != nil:
			where = "body"
		}
		switch {
		case errors.Is(e.Err, openapi3filter.ErrInvalidRequired):
			*problems = append(*problems, where+" is missing")
		case schemaFault(e.Err):
			collect(e.Err, where, problems)
		case strings.HasPrefix(e.Reason, "header Content-Type"):
			*problems = append(*problems, "body is not declared as application/json")
		case e.Parameter != nil:
			*problems = append(*problems, where+" is not "+wanted(e.Parameter.Schema))
		default:
			*problems = append(*problems, where+" is not well-formed JSON")
		}
	case *openapi3.SchemaError:
		if path := e.JSONPointer(); len(path) > 0 {
			where = "field " + strings.Join(path, ".")
		}
		if e.SchemaField == "allOf" && e.Origin != nil {
			collect(e.Origin, where, problems)
			return
		}
		*problems = append(*problems, where+": "+reason(e))
	default:
		if inner := errors.Unwrap(err); inner != nil {
			collect(inner, where, problems)
			return
		}
		*problems = append(*problems, where+" does not fit")
	}
}

func schemaFault(err error) bool {
	if _, ok := err.(openapi3.MultiError); ok {
		return true
	}
	_, ok := err.(*openapi3.SchemaError)
	return ok
}

// reason puts the commonest misfits into our words.
func reason(e *openapi3.SchemaError) string {
	switch e.SchemaField {
	case "required":
		return "is missing"
	case "properties", "additionalProperties":
		// The library names the property in its reason alone.
		if _, name, ok := strings.Cut(e.Reason, `"`); ok {
			name, _, _ = strings.Cut(name, `"`)
			return "field " + name + " is not known here"
		}
		return "has a field that is not known here"
	case "enum":
		words := make([]string, len(e.Schema.Enum))
		for i, v := range e.Schema.Enum {
			words[i] = fmt.Sprint(v)
		}
		return "must be one of " + strings.Join(words, ", ")
	case "type":
		return "must be " + wanted(openapi3.NewSchemaRef("", e.Schema))
	case "minLength":
		if e.Schema.MinLength == 1 {
			return "is empty"
		}
		return fmt.Sprintf("is shorter than %d characters", e.Schema.MinLength)
	case "maxLength":
		return fmt.Sprintf("is longer than %d characters", *e.Schema.MaxLength)
	case "minimum":
		return fmt.Sprintf("is less than %v", *e.Schema.Min)
	case "maximum":
		return fmt.Sprintf("is more than %v", *e.Schema.Max)
	case "pattern":
		return "does not look like " + example(e.Schema)
	}
	return e.Reason
}

func example(schema *openapi3.Schema) string {
	if schema.Example != nil {
		return fmt.Sprintf("%v", schema.Example)
	}
	return schema.Pattern
}

func wanted(ref *openapi3.SchemaRef) string {
	if ref == nil || ref.Value == nil || ref.Value.Type == nil || len(*ref.Value.Type) == 0 {
		return "what is expected"
	}
	switch t := (*ref.Value.Type)[0]; {
	case t == "integer":
		return "a whole number"
	case t == "number":
		return "a number"
	case t == "boolean":
		return "true or false"
	case ref.Value.Format == "date-time":
		return "a time such as 2026-11-23T09:14:00Z"
	case t == "string":
		return "text"
	case t == "array":
		return "a list"
	}
	return "an object"
}

// decode reads the body into T. It was validated before; a failure here is a
// difference between the document and the types, so our fault.
func decode[T any](c *gin.Context) (v T, err error) {
	if err := json.NewDecoder(c.Request.Body).Decode(&v); err != nil {
		return v, fmt.Errorf("decode a validated body: %w", err)
	}
	return v, nil
}
