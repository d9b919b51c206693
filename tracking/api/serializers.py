"""What the API shows of each row."""

from typing import Any

from rest_framework import serializers

from tracking.models import EventError, Session


class EventSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    session_id = serializers.UUIDField()
    application = serializers.CharField(source="application.name", allow_null=True)
    category = serializers.CharField()
    name = serializers.CharField()
    data = serializers.DictField()  # type: ignore[assignment]
    timestamp = serializers.DateTimeField()
    received_at = serializers.DateTimeField()


class SessionSerializer(serializers.ModelSerializer[Session]):
    applications: "serializers.SlugRelatedField[Any]" = serializers.SlugRelatedField(
        many=True, read_only=True, slug_field="name"
    )
    first_event = serializers.DateTimeField(source="first_at", allow_null=True)
    last_event = serializers.DateTimeField(source="last_at", allow_null=True)
    events = serializers.IntegerField(source="total_events")
    errors = serializers.IntegerField(source="error_count")  # type: ignore[assignment]
    stale = serializers.BooleanField()

    class Meta:
        model = Session
        fields = (
            "id",
            "created_at",
            "applications",
            "first_event",
            "last_event",
            "events",
            "errors",
            "clock_offset_ms",
            "stale",
        )
        read_only_fields = fields


class ErrorSerializer(serializers.ModelSerializer[EventError]):
    receipt = serializers.UUIDField(source="receipt_id")
    session_id = serializers.UUIDField(allow_null=True)
    application = serializers.CharField(source="application.name", allow_null=True)

    class Meta:
        model = EventError
        fields: tuple[str, ...] = (
            "id",
            "receipt",
            "position",
            "session_id",
            "application",
            "category",
            "name",
            "field",
            "code",
            "message",
            "value",
            "created_at",
            "resolved_at",
        )
        read_only_fields = fields


class ErrorDetailSerializer(ErrorSerializer):
    payload = serializers.CharField(source="event.payload", allow_null=True)

    class Meta(ErrorSerializer.Meta):
        fields = (*ErrorSerializer.Meta.fields, "payload")
        read_only_fields = fields
