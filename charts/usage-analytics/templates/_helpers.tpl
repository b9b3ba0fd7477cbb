{{- define "usage-analytics.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "usage-analytics.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "usage-analytics.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "usage-analytics.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "usage-analytics.selector" -}}
app.kubernetes.io/name: {{ include "usage-analytics.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "usage-analytics.labels" -}}
{{ include "usage-analytics.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "usage-analytics.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "usage-analytics.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "usage-analytics.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- define "usage-analytics.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "usage-analytics.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/*
A value as text. Numbers of a values file are floating point: printed as they are, a million would be 1e+06.
*/}}
{{- define "usage-analytics.text" -}}
{{- kindIs "string" . | ternary . (toJson .) -}}
{{- end -}}

{{/*
Environment of one container, each name once: the process's own settings win over those of its role, and these over those
of all. Takes a dict of root, role and own. The owner of the schema is told only to who migrates, and to workers, which
refresh its rollups.
*/}}
{{- define "usage-analytics.env" -}}
{{- $secrets := .root.Values.secretEnv -}}
{{- if and (has .own.SERVICE_ROLES (list "api" "ingest")) (not .own.MIGRATE_ON_START) -}}
{{- $secrets = omit $secrets "DATABASE_OWNER_URL" -}}
{{- end -}}
{{- /* Not by merge, for which false, 0 and an empty text are not set. */ -}}
{{- $plain := dict -}}
{{- range $settings := list .root.Values.config .role .own -}}
{{- range $name, $value := $settings -}}
{{- $_ := set $plain $name $value -}}
{{- end -}}
{{- end -}}
{{- range $name := keys $plain | sortAlpha }}
{{- if not (hasKey $secrets $name) }}
- name: {{ $name }}
  value: {{ include "usage-analytics.text" (get $plain $name) | quote }}
{{- end }}
{{- end }}
{{- range $name := keys $secrets | sortAlpha }}
{{- $reference := get $secrets $name }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef:
      name: {{ $reference.name }}
      key: {{ $reference.key }}
{{- end }}
{{- end -}}
