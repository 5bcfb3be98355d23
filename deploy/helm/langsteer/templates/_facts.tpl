{{/* What follows from the values; "true" or "" where it is a question. */}}

{{/* Is MODEL a hub's? A folder begins with a slash, and the demo's comes with the image. */}}
{{- define "langsteer.hubModel" -}}
{{- if not (or (hasPrefix "/" .Values.model.name) (eq "demo" .Values.model.name)) -}}true{{- end -}}
{{- end -}}

{{/* Does a pod fetch anything over HTTPS? */}}
{{- define "langsteer.pulls" -}}
{{- if or (and (include "langsteer.hubModel" .) (not .Values.model.offline)) (eq "pull" .Values.profiles.source) -}}true{{- end -}}
{{- end -}}

{{- define "langsteer.policy" -}}
{{- if or .Values.policy.content .Values.policy.existingConfigMap .Values.policy.existingSecret -}}true{{- end -}}
{{- end -}}

{{- define "langsteer.access" -}}
{{- if or .Values.access.content .Values.access.existingSecret -}}true{{- end -}}
{{- end -}}

{{- define "langsteer.profilesPath" -}}
{{- if eq "image" .Values.profiles.source -}}{{ .Values.profiles.path }}{{- else -}}/profiles{{- end -}}
{{- end -}}

{{- define "langsteer.scheme" -}}
{{- if .Values.tls.existingSecret -}}HTTPS{{- else -}}HTTP{{- end -}}
{{- end -}}

{{- define "langsteer.gpus" -}}
{{- if eq "gpu" .Values.device -}}{{- default .Values.tensorParallelSize .Values.gpu.count | int -}}{{- else -}}0{{- end -}}
{{- end -}}

{{- define "langsteer.cacheClaim" -}}
{{- default (printf "%s-cache" (include "langsteer.fullname" .)) .Values.cache.existingClaim -}}
{{- end -}}

{{/* Seconds from the order to end until the pod is killed. */}}
{{- define "langsteer.graceSeconds" -}}
{{- add (int .Values.drain.endpointsSeconds) (int .Values.drain.requestsSeconds) (int .Values.drain.exitSeconds) -}}
{{- end -}}
