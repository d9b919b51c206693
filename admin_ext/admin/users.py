from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from admin_ext.kit import ModelAdmin

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[type-arg]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm

    class Media:
        js = ("admin_ext/select_filter.js",)

    def audited(self, obj: User) -> dict[str, Any]:
        groups = list(obj.groups.order_by("name").values_list("name", flat=True))
        return {"groups": groups, "superuser": obj.is_superuser, "active": obj.is_active}


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    class Media:
        js = ("admin_ext/select_filter.js",)

    def audited(self, obj: Group) -> dict[str, Any]:
        return {"permissions": obj.permissions.count()}
