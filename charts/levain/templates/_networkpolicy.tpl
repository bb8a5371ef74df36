{{- /* One component's policy. "ingress", "egress": rules as text, empty ones are left out. "alone": it asks no DNS. */ -}}
{{- define "levain.policy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "levain.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "levain.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  {{- with compact .ingress }}
  ingress:
    {{- range . }}
    {{- . | nindent 4 }}
    {{- end }}
  {{- end }}
  {{- $egress := compact .egress }}
  {{- if not .alone }}
  {{- $egress = append $egress (include "levain.dns" .root.Values.networkPolicy.dnsTo) }}
  {{- end }}
  {{- with $egress }}
  egress:
    {{- range . }}
    {{- . | nindent 4 }}
    {{- end }}
  {{- end }}
{{- end }}

{{- define "levain.ports" -}}
ports:
  {{- range . }}
  - {protocol: TCP, port: {{ . }}}
  {{- end }}
{{- end }}

{{- define "levain.to" -}}
- {{ include "levain.ports" .ports | nindent 2 | trim }}
  {{- with .to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{- /* "everyone": an empty list means all of them; else nobody. */ -}}
{{- define "levain.from" -}}
{{- if or .from .everyone -}}
- {{ include "levain.ports" .ports | nindent 2 | trim }}
  {{- with .from }}
  from:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "levain.toOurs" -}}
- {{ include "levain.ports" .ports | nindent 2 | trim }}
  to:
    - podSelector:
        matchLabels:
          {{- include "levain.selector" . | nindent 10 }}
{{- end }}

{{- define "levain.fromOurs" -}}
{{- $root := .root -}}
- {{ include "levain.ports" .ports | nindent 2 | trim }}
  from:
    {{- range .components }}
    - podSelector:
        matchLabels:
          {{- include "levain.selector" (dict "root" $root "component" .) | nindent 10 }}
    {{- end }}
{{- end }}

{{- define "levain.dns" -}}
- ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
  {{- with . }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
