package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A token has at most so many characters here. The real tokenizer is not known; words without a blank would else count as
// one token however long they are.
const longestToken = 16

type refusal struct {
	code                 int
	kind, param, message string
}

func bad(kind, param, text string, values ...any) *refusal {
	return &refusal{code: 400, kind: kind, param: param, message: fmt.Sprintf(text, values...)}
}

// Types of the fields that both kinds of requests have (vllm/entrypoints/openai/completion/protocol.py and
// chat_completion/protocol.py, vLLM 0.17.1); null is taken for each but n.
var types = map[string]string{
	"max_tokens": "integer", "max_completion_tokens": "integer", "min_tokens": "integer", "n": "integer",
	"seed": "integer", "top_k": "integer", "temperature": "number", "top_p": "number", "min_p": "number",
	"presence_penalty": "number", "frequency_penalty": "number", "repetition_penalty": "number", "stream": "boolean",
	"ignore_eos": "boolean", "model": "string",
}

// refusal says why vLLM refuses a request; nil: it does not. The order is vLLM's: types, model, lengths, sampling. An
// unknown model is left to the simulator.
func (s *server) refusal(body map[string]any, chat bool) *refusal {
	for _, name := range slices.Sorted(maps.Keys(types)) {
		value, given := body[name]
		if given && (value != nil || name == "n") && !fits(value, types[name]) {
			return bad("Bad Request", "", "1 validation error: {'loc': ('body', '%s'), 'msg': 'Input should be a valid %s'}", name, types[name])
		}
	}
	if refused := content(body, chat); refused != nil {
		return refused
	}
	if model, _ := body["model"].(string); model != "" && !slices.Contains(s.sim.Context.Config().ServedModelNames, model) {
		return nil
	}
	if refused := s.tooLong(body, chat); refused != nil {
		return refused
	}
	return sampling(body, chat)
}

func content(body map[string]any, chat bool) *refusal {
	if options := body["stream_options"]; options != nil && !truth(body["stream"]) {
		return bad("Bad Request", "stream_options", "Stream options can only be defined when `stream=True`.")
	}
	switch text := body["prompt"].(type) {
	case nil:
	case string:
		if text != "" {
			return nil
		}
	case []any:
		return nil
	default:
		if !chat {
			return bad("Bad Request", "", "1 validation error: {'loc': ('body', 'prompt'), 'msg': 'Input should be a valid string'}")
		}
	}
	if _, list := body["messages"].([]any); chat && !list {
		return bad("Bad Request", "", "1 validation error: {'loc': ('body', 'messages'), 'msg': 'Input should be a valid list'}")
	} else if !chat {
		return bad("Bad Request", "", "Either prompt or prompt_embeds must be provided and non-empty.")
	}
	return nil
}

// tooLong is what vllm/renderers/params.py says of a prompt and the tokens that are asked for.
func (s *server) tooLong(body map[string]any, chat bool) *refusal {
	limit := s.sim.Context.Config().MaxModelLen
	name, asked := maxTokens(body, chat)
	wanted := 0
	if asked != nil {
		wanted = int(*asked)
	}
	if wanted > limit {
		return bad("BadRequestError", name, "%s=%dcannot be greater than max_model_len=max_total_tokens=%d. "+
			"Please request fewer output tokens. (parameter=%s, value=%d)", name, wanted, limit, name, wanted)
	}
	for _, prompt := range prompts(body, chat) {
		if count := s.tokens(prompt); count > limit-wanted {
			return bad("BadRequestError", "input_tokens", "You passed %d input tokens and requested %d output tokens. However, "+
				"the model's context length is only %d tokens, resulting in a maximum input length of %d tokens. "+
				"Please reduce the length of the input prompt. (parameter=input_tokens, value=%d)",
				count, wanted, limit, limit-wanted, count)
		}
	}
	return nil
}

// sampling is `_verify_args` of vllm/sampling_params.py.
func sampling(body map[string]any, chat bool) *refusal {
	_, most := maxTokens(body, chat)
	temperature := number(body, "temperature", 1)
	n := number(body, "n", 1)
	least := number(body, "min_tokens", 0)
	for _, name := range []string{"presence_penalty", "frequency_penalty"} {
		if value := number(body, name, 0); n >= 1 && (value < -2 || value > 2) {
			return bad("BadRequestError", "", "%s must be in [-2, 2], got %v.", name, decimal(value))
		}
	}
	switch topP, minP, repetition := number(body, "top_p", 1), number(body, "min_p", 0), number(body, "repetition_penalty", 1); {
	case n < 1:
		return bad("BadRequestError", "", "n must be at least 1, got %v.", n)
	case repetition <= 0:
		return bad("BadRequestError", "", "repetition_penalty must be greater than zero, got %s.", decimal(repetition))
	case temperature < 0:
		return bad("BadRequestError", "temperature", "temperature must be non-negative, got %[1]s. (parameter=temperature, value=%[1]s)", decimal(temperature))
	case topP <= 0 || topP > 1:
		return bad("BadRequestError", "top_p", "top_p must be in (0, 1], got %[1]s. (parameter=top_p, value=%[1]s)", decimal(topP))
	case number(body, "top_k", 0) < -1:
		return bad("BadRequestError", "", "top_k must be 0 (disable), or at least 1, got %v.", number(body, "top_k", 0))
	case minP < 0 || minP > 1:
		return bad("BadRequestError", "", "min_p must be in [0, 1], got %s.", decimal(minP))
	case most != nil && *most < 1:
		return bad("BadRequestError", "max_tokens", "max_tokens must be at least 1, got %[1]v. (parameter=max_tokens, value=%[1]v)", *most)
	case least < 0:
		return bad("BadRequestError", "", "min_tokens must be greater than or equal to 0, got %v.", least)
	case most != nil && least > *most:
		return bad("BadRequestError", "", "min_tokens must be less than or equal to max_tokens=%v, got %v.", *most, least)
	case temperature == 0 && n > 1:
		return bad("BadRequestError", "", "n must be 1 when using greedy sampling, got %v.", n)
	}
	return nil
}

// maxTokens is the name and the value of the limit of the answer; nil: what the context leaves. Completions have 16.
func maxTokens(body map[string]any, chat bool) (string, *float64) {
	if chat && body["max_completion_tokens"] != nil {
		value := number(body, "max_completion_tokens", 0)
		return "max_completion_tokens", &value
	}
	value := number(body, "max_tokens", 16)
	if body["max_tokens"] == nil && (chat || hasNull(body, "max_tokens")) {
		return "max_tokens", nil
	}
	return "max_tokens", &value
}

func prompts(body map[string]any, chat bool) []any {
	if chat {
		var text strings.Builder
		messages, _ := body["messages"].([]any)
		for _, message := range messages {
			fields, _ := message.(map[string]any)
			parts, _ := fields["content"].([]any)
			for _, part := range append(parts, fields["content"]) {
				switch piece := part.(type) {
				case string:
					text.WriteString(piece + "\n")
				case map[string]any:
					said, _ := piece["text"].(string)
					text.WriteString(said + "\n")
				}
			}
		}
		return []any{text.String()}
	}
	list, several := body["prompt"].([]any)
	if !several {
		return []any{body["prompt"]}
	}
	if len(list) > 0 {
		if _, token := list[0].(json.Number); token {
			return []any{list}
		}
	}
	return list
}

func (s *server) tokens(prompt any) int {
	switch given := prompt.(type) {
	case []any:
		return len(given)
	case string:
		tokens, _, _ := s.sim.Context.Tokenizer.RenderText(given)
		return max(len(tokens), (len(given)+longestToken-1)/longestToken)
	}
	return 0
}

// fits is pydantic's reading of JSON: numbers in text and whole fractions are numbers, too.
func fits(value any, kind string) bool {
	switch given := value.(type) {
	case string:
		_, float := strconv.ParseFloat(given, 64)
		_, integer := strconv.ParseInt(given, 10, 64)
		boolean := slices.Contains([]string{"true", "false", "1", "0", "yes", "no", "on", "off"}, strings.ToLower(given))
		return kind == "string" || (kind == "number" && float == nil) || (kind == "integer" && integer == nil) || (kind == "boolean" && boolean)
	case bool:
		return kind != "string"
	case json.Number:
		number, _ := given.Float64()
		whole := number == math.Trunc(number)
		return kind == "number" || (kind == "integer" && whole) || (kind == "boolean" && (number == 0 || number == 1))
	}
	return false
}

// normalize puts numbers and booleans in the place of what pydantic reads as such, for the simulator's stricter reader.
func normalize(body map[string]any) bool {
	changed := false
	for name, kind := range types {
		value := body[name]
		_, text := value.(string)
		digits, numeric := value.(json.Number)
		switch {
		case kind == "boolean" && (text || numeric):
			body[name] = truth(value)
		case kind == "integer" && (text || (numeric && strings.ContainsAny(digits.String(), ".eE"))):
			body[name] = int64(number(body, name, 0))
		case kind == "number" && text:
			body[name] = number(body, name, 0)
		default:
			continue
		}
		changed = true
	}
	return changed
}

func number(body map[string]any, name string, otherwise float64) float64 {
	switch given := body[name].(type) {
	case json.Number:
		value, _ := given.Float64()
		return value
	case string:
		value, _ := strconv.ParseFloat(given, 64)
		return value
	}
	return otherwise
}

func truth(value any) bool {
	given, boolean := value.(bool)
	return given || (!boolean && value != nil && fits(value, "boolean") && !slices.Contains([]string{"false", "0", "no", "off"}, strings.ToLower(fmt.Sprint(value))))
}

func hasNull(body map[string]any, name string) bool {
	value, given := body[name]
	return given && value == nil
}

// decimal is a fraction as Python prints it.
func decimal(value float64) string {
	text := strconv.FormatFloat(value, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}
