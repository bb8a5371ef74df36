{{- define "levain.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- $long := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- /* Room for the longest suffix, and for what a StatefulSet's pods get: a label holds 63. */ -}}
{{- .Values.fullnameOverride | default $long | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- /* The parameters of the helpers below: dict "root" $ "component" "gateway". */ -}}
{{- define "levain.selector" -}}
app.kubernetes.io/name: {{ .root.Values.nameOverride | default .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{- define "levain.labels" -}}
{{ include "levain.selector" . }}
app.kubernetes.io/part-of: levain
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* Without the versions: a new chart with the same settings restarts no pod. */ -}}
{{- define "levain.podLabels" -}}
{{ include "levain.selector" . }}
app.kubernetes.io/part-of: levain
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "levain.metadata" -}}
name: {{ include "levain.fullname" .root }}-{{ .component }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "levain.labels" . | nindent 2 }}
{{- end }}

{{- /* dict "root" $ "image" .Values.gateway.image */ -}}
{{- define "levain.image" -}}
{{- $registry := (.root.Values.global).imageRegistry | default .image.registry -}}
{{- $tag := .image.tag | default .root.Chart.AppVersion -}}
{{- with $registry }}{{ . }}/{{ end }}{{ .image.repository }}{{ empty .image.digest | ternary ":" "@" }}{{ .image.digest | default $tag }}
{{- end }}

{{- define "levain.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- /* All of a pod's spec but its containers and volumes. "values": of the component. "token": true mounts the service account's. */ -}}
{{- define "levain.pod" -}}
serviceAccountName: {{ include "levain.fullname" .root }}-{{ .component }}
automountServiceAccountToken: {{ .token | default false }}
# Else Kubernetes injects LEVAIN_…_PORT=tcp://… of the release's own Services.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  seccompProfile: {type: RuntimeDefault}
  fsGroupChangePolicy: OnRootMismatch
  {{- with .security | default .root.Values.podSecurityContext }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "levain.selector" . | nindent 8 }}
{{- with (.root.Values.global).imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- range $key := list "nodeSelector" "tolerations" "affinity" "priorityClassName" }}
{{- with index $.values $key }}
{{ $key }}: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{- /* A number from values is a float, and would be written as 1e+09. */ -}}
{{- define "levain.text" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) }}{{ int64 . }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{- define "levain.settings" -}}
{{- range $name, $value := . }}
{{- if not (kindIs "invalid" $value) }}
- {name: {{ $name }}, value: {{ include "levain.text" $value | quote }}}
{{- end }}
{{- end }}
{{- end }}

{{- /* list of the seconds that a pod takes to stop at most, and 10 more for what is not counted */ -}}
{{- define "levain.grace" -}}
{{- $sum := 10 }}{{ range . }}{{ $sum = add $sum (. | float64 | ceil | int64) }}{{ end }}{{ $sum }}
{{- end }}

{{- define "levain.secretName" -}}
{{- .Values.secrets.existingSecret | default (printf "%s-secrets" (include "levain.fullname" .)) -}}
{{- end }}

{{- /* dict "root" $ "name" an environment variable's "key" of the Secret.
The names are LEVAIN_SECRET_…: what begins with LEVAIN_ never reaches the processes that run trainers. */ -}}
{{- define "levain.fromSecret" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef: {name: {{ include "levain.secretName" .root }}, key: {{ .key }}}
{{- end }}

{{- /* dict "root" $ "user" training or worker */ -}}
{{- define "levain.brokerEnv" -}}
{{- if .root.Values.rabbitmq.enabled }}
{{- include "levain.fromSecret" (dict "root" .root "name" "LEVAIN_SECRET_BROKER" "key" (printf "%s-password" .user)) }}
- name: LEVAIN_BROKER_URL
  value: amqp://{{ .user }}:$(LEVAIN_SECRET_BROKER)@{{ include "levain.fullname" .root }}-rabbitmq:5672/
{{- else }}
{{- $external := index .root.Values.broker .user }}
- name: LEVAIN_BROKER_URL
  valueFrom:
    secretKeyRef: {name: {{ $external.existingSecret }}, key: {{ $external.key }}}
{{- end }}
{{- end }}

{{- /* dict "root" $ "operator" true where the operator's tokens are trusted too: the gateway needs none of them. */ -}}
{{- define "levain.issuersEnv" -}}
{{- $auth := .root.Values.auth }}
{{- $issuers := $auth.issuers }}
{{- if $auth.shared.enabled }}
{{- include "levain.fromSecret" (dict "root" .root "name" "LEVAIN_SECRET_TOKENS" "key" "token-secret") }}
{{- $issuers = append $issuers (dict "issuer" $auth.shared.issuer "audience" $auth.shared.audience "secret" "$(LEVAIN_SECRET_TOKENS)") }}
{{- end }}
{{- if and .operator .root.Values.operator.enabled }}
{{ include "levain.fromSecret" (dict "root" .root "name" "LEVAIN_SECRET_OPERATOR" "key" "operator-secret") }}
{{- $settings := .root.Values.operator.settings }}
{{- $issuers = append $issuers (dict "issuer" ($settings.LEVAIN_OPERATOR_ISSUER | default "levain-operator") "audience" ($settings.LEVAIN_AUDIENCE | default "levain") "secret" "$(LEVAIN_SECRET_OPERATOR)" "roles" (list "operator")) }}
{{- end }}
- name: LEVAIN_TRUSTED_ISSUERS
  value: {{ toRawJson $issuers | quote }}
- {name: LEVAIN_TENANT_CLAIM, value: {{ $auth.tenantClaim | quote }}}
{{- end }}

{{- /* The service checks a job's model, the workers train with it. */ -}}
{{- define "levain.trainersEnv" -}}
{{- with .Values.trainers }}
{{- $named := list }}
{{- range $name, $plan := . }}{{ $named = append $named (printf "%s=%s" $name $plan) }}{{ end }}
- {name: LEVAIN_EXTRA_TRAINERS, value: {{ join "," $named | quote }}}
{{- end }}
{{- end }}

{{- define "levain.databaseEnv" -}}
- name: LEVAIN_DATABASE_URL
{{- if eq .Values.database.type "sqlite" }}
  value: sqlite:////data/levain.db
{{- else }}
  valueFrom:
    secretKeyRef: {name: {{ .Values.database.existingSecret }}, key: {{ .Values.database.key }}}
{{- end }}
{{- end }}

{{- /* Two for each batch that all workers can have at once: one at work, one in the queue. */ -}}
{{- define "levain.batchesOut" -}}
{{- $w := .Values.workers }}
{{- $most := int $w.replicas }}
{{- if $w.autoscaling.enabled }}{{ $most = int $w.autoscaling.maxReplicas }}{{ end }}
{{- if $w.keda.enabled }}{{ $most = int $w.keda.maxReplicas }}{{ end }}
{{- mul 2 (max 1 $most) (int ($w.settings.LEVAIN_WORKER_SLOTS | default 2)) | min 1000 }}
{{- end }}

{{- /* dict "port" name "path" "/healthz" …: startup allows "seconds". */ -}}
{{- define "levain.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: {{ .port }}}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: {{ div (.startSeconds | default 120) 2 }}
livenessProbe:
  httpGet: {path: /healthz, port: {{ .port }}}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: {{ .port }}}
  periodSeconds: 3
  timeoutSeconds: 3
  failureThreshold: 2
{{- end }}

{{- /* dict "root" $ "command" a list */ -}}
{{- define "levain.command" -}}
{{- if .root.Values.dev.enabled }}
command: {{ concat (list "python3" "/reload/reload.py") .command | toJson }}
{{- else }}
command: {{ toJson .command }}
{{- end }}
{{- end }}

{{- define "levain.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if .Values.dev.enabled }}
- {name: live, mountPath: /live}
- {name: reload, mountPath: /reload}
{{- end }}
{{- end }}

{{- define "levain.volumes" -}}
- name: tmp
  emptyDir: {}
{{- if .Values.dev.enabled }}
- name: live
  emptyDir: {}
- name: reload
  configMap: {name: {{ include "levain.fullname" . }}-reload}
{{- end }}
{{- end }}
