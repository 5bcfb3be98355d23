{{/* A pod takes minutes to start and its going drains streams: up at once, down slowly and one by one. */}}
{{- define "langsteer.scalingBehavior" -}}
scaleUp:
  stabilizationWindowSeconds: 0
  selectPolicy: Max
  policies:
    - {type: Pods, value: 2, periodSeconds: 60}
scaleDown:
  stabilizationWindowSeconds: {{ int .Values.autoscaling.scaleDownSeconds }}
  selectPolicy: Min
  policies:
    - {type: Pods, value: 1, periodSeconds: 120}
{{- end -}}
